#pragma once
// The logprobs of tokens in the two shapes of the API. Probabilities are of the model's own distribution.
#include <cstdint>
#include <span>

#include "net/schema/api_request.hpp"
#include "net/schema/json_writer.hpp"
#include "runtime/doors/response_stream.hpp"

namespace troupe {

// Where a choice's text stands, in both units: completions report offsets in characters.
struct TextPosition {
  std::uint32_t bytes = 0;
  std::uint64_t characters = 0;
};

// {"content":[{"token","logprob","bytes","top_logprobs"}],"refusal":null}
void append_chat_logprobs(JsonWriter& json, std::span<const StreamToken> tokens, const TextCodec* codec);

// {"tokens","token_logprobs","top_logprobs","text_offset"}. `text` is what came with the tokens and begins at
// `position`.
void append_completion_logprobs(JsonWriter& json, std::span<const StreamToken> tokens, const TextCodec* codec,
                                std::string_view text, TextPosition position);

}  // namespace troupe
