#pragma once
// The prompt as a part of the answer.
#include <memory>
#include <span>
#include <string>

#include "runtime/doors/response_stream.hpp"
#include "runtime/doors/text_codec.hpp"

namespace troupe {

// Its tokens without scores and, with `echo`, its text: `text` as the client wrote it, or else what the tokens say.
// Each token stands where it begins in that text; one that is not shown, where it would.
std::shared_ptr<PromptPart> prompt_part(const TextCodec& codec, std::span<const TokenId> tokens, bool echo,
                                        const std::string* text);

}  // namespace troupe
