#pragma once
// The logprobs of tokens in the two shapes of the API. Probabilities are of the model's own distribution.
#include <cstdint>
#include <span>
#include <vector>

#include "net/schema/api_request.hpp"
#include "net/schema/json_writer.hpp"
#include "runtime/doors/response_stream.hpp"

namespace troupe {

// Where a choice's text stands, in both units: completions report offsets in characters.
struct TextPosition {
  std::uint32_t bytes = 0;
  std::uint64_t characters = 0;
  bool has_prompt = false;  // it begins with the prompt's, which is out
};

// {"content":[{"token","logprob","bytes","top_logprobs"}],"refusal":null}
void append_chat_logprobs(JsonWriter& json, std::span<const StreamToken> tokens, const TextCodec* codec);

// A token as completions list it: of the answer, or of the prompt that is shown before it.
struct LoggedToken {
  TokenId id = -1;
  bool has_logprob = true;  // not the first token of a prompt
  float logprob = 0.0F;
  std::uint64_t text_begin = 0;  // bytes of the whole text before it
  std::span<const TopToken> top;
};
// `text_before`: bytes of text that stand before that of the answer. At most `alternatives` of a prompt's are listed.
void append_logged(std::vector<LoggedToken>& logged, const PromptPart& prompt, std::size_t alternatives);
void append_logged(std::vector<LoggedToken>& logged, std::span<const StreamToken> tokens, std::size_t text_before);

// {"tokens","token_logprobs","top_logprobs","text_offset"}. `text` is what came with the tokens and begins at
// `position`.
void append_completion_logprobs(JsonWriter& json, std::span<const LoggedToken> tokens, const TextCodec* codec,
                                std::string_view text, TextPosition position);

// [null,{"ID":{"logprob","rank","decoded_token"}}], vLLM's: of each token of the prompt the token itself and then the
// likeliest, at most `alternatives`.
void append_prompt_logprobs(JsonWriter& json, const PromptPart& prompt, const TextCodec* codec,
                            std::size_t alternatives);

}  // namespace troupe
