#pragma once
// From what the client sent to token ids: template, then tokenizer. Runs on a text worker; never throws.
#include <cstddef>
#include <vector>

#include "runtime/doors/text_codec.hpp"

namespace troupe {

// add_special concerns plain text only: a chat template writes the special tokens it wants itself, and its output
// may name them ("<|im_start|>"), which text from a user may not.
Result<std::vector<TokenId>> prompt_tokens(const TextCodec& codec, const PromptInput& prompt, bool add_special);

}  // namespace troupe
