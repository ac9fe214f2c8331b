#pragma once
// Writes the answer to a generation request: whole, or as the chunks of a stream. OpenAI's objects; "timings" beside
// the usage is ours.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "net/schema/api_request.hpp"
#include "net/schema/logprobs_object.hpp"
#include "runtime/doors/response_stream.hpp"

namespace troupe {

struct AnswerShape {
  ApiKind kind = ApiKind::kCompletion;
  std::string id;              // "cmpl-..." or "chatcmpl-..."
  std::int64_t created_s = 0;  // Unix time
  std::string model;
  std::string system_fingerprint;
  std::uint32_t choices_per_prompt = 1;
  std::uint32_t shown_per_prompt = 1;
  bool logprobs = false;
  bool echo = false;
  std::int32_t prompt_logprobs = -1;
  std::int32_t alternatives = 0;  // of logprobs, for the tokens of a prompt that is shown
  bool include_usage = false;
  bool guide_compat = false;         // adds "text" at the top level (R192)
  const TextCodec* codec = nullptr;  // for the text of tokens in logprobs
};
AnswerShape shape_of(const ApiRequest& request);  // without id, time and fingerprint

// How a choice ended.
struct ChoiceEnd {
  Usage usage;
  StageTimes stages;
  bool cached = false;
};

class AnswerFormat {
 public:
  explicit AnswerFormat(AnswerShape shape);

  // One JSON object each, appended to `out`.
  void append_whole(std::string& out, std::span<const ResponseStream::Chunk> choices) const;

  void append_role(std::string& out, std::uint32_t index) const;  // the first chunk of a chat's choice
  // What came for a choice; with its finish_reason when the chunk is the last one. Moves `position` past the text.
  void append_delta(std::string& out, std::uint32_t index, const ResponseStream::Chunk& chunk,
                    TextPosition& position) const;
  void append_usage(std::string& out, std::span<const ChoiceEnd> choices) const;  // the last chunk, without choices

  const AnswerShape& shape() const { return shape_; }

 private:
  void append_head(JsonWriter& json, const char* object) const;
  void append_choice(JsonWriter& json, std::uint32_t index, const ResponseStream::Chunk& chunk) const;
  void append_usage_fields(JsonWriter& json, std::span<const ChoiceEnd> choices) const;
  // The prompt first, where it is shown and not out yet.
  std::string shown_text(const ResponseStream::Chunk& chunk, const TextPosition& position) const;
  void append_logprobs(JsonWriter& json, const ResponseStream::Chunk& chunk, std::string_view text,
                       const TextPosition& position) const;
  void append_prompt_logprobs_field(JsonWriter& json, const ResponseStream::Chunk& chunk) const;
  bool is_chat() const { return shape_.kind == ApiKind::kChat; }

  AnswerShape shape_;
};

}  // namespace troupe
