#pragma once
// The parts of tokenizer.json, each read into the spec by a function of its own, in this order.
#include <optional>

#include "runtime/result.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"
#include "text/tokenizer_json/json_view.hpp"

namespace troupe {

// normalizer, pre_tokenizer: which kind of tokenizer this is (spec.model), pre, nfc and the space prefix.
Status read_pipeline(const JsonView& root, TokenizerSpec& spec);

// model and added_tokens: tokens, types, merges, and which tokens swallow white space.
Status read_tokens(const JsonView& root, TokenizerSpec& spec);

// post_processor and tokenizer_config.json: what stands before and after a text, and the chat template.
Status read_special_roles(const JsonView& root, const std::optional<JsonView>& config, TokenizerSpec& spec);

}  // namespace troupe
