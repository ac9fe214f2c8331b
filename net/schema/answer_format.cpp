#include "net/schema/answer_format.hpp"

#include <algorithm>
#include <numeric>

#include "net/schema/best_of.hpp"
#include "net/schema/utf8.hpp"

namespace troupe {
namespace {

const char* wire_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
  }
  return "stop";
}

void append_finish_reason(JsonWriter& json, const ResponseStream::Chunk& chunk) {
  json.key("finish_reason");
  chunk.phase == StreamPhase::kFinished ? json.value(wire_name(chunk.finish)) : json.null();
}

constexpr const char* kStageNames[kStageCount] = {"receive_ms", "tokenize_ms", "cache_ms",  "queue_ms",
                                                  "prefill_ms", "decode_ms",   "deliver_ms"};

std::chrono::nanoseconds sum(const StageTimes& stages) {
  return std::accumulate(std::begin(stages.stage), std::end(stages.stage), std::chrono::nanoseconds{});
}

double milliseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(std::chrono::duration_cast<std::chrono::microseconds>(time)).count();
}

// Of the choice that took longest: the one the answer waited for.
void append_timings(JsonWriter& json, std::span<const ChoiceEnd> choices) {
  if (choices.empty()) return;
  const ChoiceEnd& slowest =
      *std::max_element(choices.begin(), choices.end(),
                        [](const ChoiceEnd& a, const ChoiceEnd& b) { return sum(a.stages) < sum(b.stages); });
  json.key("timings").begin_object();
  for (std::size_t i = 0; i < kStageCount; ++i) json.field(kStageNames[i], milliseconds(slowest.stages.stage[i]));
  json.field("total_ms", milliseconds(sum(slowest.stages)));
  json.field("cached", std::all_of(choices.begin(), choices.end(), [](const ChoiceEnd& end) { return end.cached; }));
  json.end_object();
}

}  // namespace

AnswerShape shape_of(const ApiRequest& request) {
  AnswerShape shape;
  shape.kind = request.kind;
  shape.model = request.card->name;
  shape.choices_per_prompt = request.choices_per_prompt;
  shape.shown_per_prompt = request.shown_per_prompt;
  shape.logprobs = request.logprobs;
  shape.echo = request.echo;
  shape.prompt_logprobs = request.prompt_logprobs;
  if (request.logprobs) shape.alternatives = request.sequences.front().logprobs;
  shape.include_usage = request.include_usage;
  shape.codec = request.card->codec.get();
  return shape;
}

AnswerFormat::AnswerFormat(AnswerShape shape) : shape_(std::move(shape)) {}

void AnswerFormat::append_head(JsonWriter& json, const char* object) const {
  json.begin_object().field("id", shape_.id).field("object", object).field("created", shape_.created_s);
  json.field("model", shape_.model).key("system_fingerprint");
  shape_.system_fingerprint.empty() ? json.null() : json.value(shape_.system_fingerprint);
}

std::string AnswerFormat::shown_text(const ResponseStream::Chunk& chunk, const TextPosition& position) const {
  return shape_.echo && chunk.prompt && !position.has_prompt ? chunk.prompt->text + chunk.text : chunk.text;
}

void AnswerFormat::append_logprobs(JsonWriter& json, const ResponseStream::Chunk& chunk, std::string_view text,
                                   const TextPosition& position) const {
  json.key("logprobs");
  if (!shape_.logprobs) {
    json.null();
  } else if (is_chat()) {
    append_chat_logprobs(json, chunk.tokens, shape_.codec);
  } else {
    bool echo = shape_.echo && chunk.prompt;
    std::vector<LoggedToken> logged;
    if (echo && !position.has_prompt)
      append_logged(logged, *chunk.prompt, static_cast<std::size_t>(shape_.alternatives));
    append_logged(logged, chunk.tokens, echo ? chunk.prompt->text.size() : 0);
    append_completion_logprobs(json, logged, shape_.codec, text, position);
  }
}

void AnswerFormat::append_prompt_logprobs_field(JsonWriter& json, const ResponseStream::Chunk& chunk) const {
  if (shape_.prompt_logprobs < 0 || !chunk.prompt) return;
  json.key("prompt_logprobs");
  append_prompt_logprobs(json, *chunk.prompt, shape_.codec, static_cast<std::size_t>(shape_.prompt_logprobs));
}

void AnswerFormat::append_choice(JsonWriter& json, std::uint32_t index, const ResponseStream::Chunk& chunk) const {
  std::string text = shown_text(chunk, {});
  json.begin_object().field("index", index);
  if (is_chat()) {
    json.key("message").begin_object().field("role", "assistant").field("content", chunk.text);
    json.key("refusal").null().end_object();
  } else {
    json.field("text", text);
  }
  append_logprobs(json, chunk, text, {});
  append_finish_reason(json, chunk);
  if (!is_chat()) append_prompt_logprobs_field(json, chunk);
  json.end_object();
}

// A prompt counts once, however many choices it has.
void AnswerFormat::append_usage_fields(JsonWriter& json, std::span<const ChoiceEnd> choices) const {
  std::uint64_t prompt = 0;
  std::uint64_t cached = 0;
  std::uint64_t completion = 0;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    completion += choices[i].usage.completion_tokens;
    if (i % shape_.choices_per_prompt != 0) continue;
    prompt += choices[i].usage.prompt_tokens;
    cached += choices[i].usage.cached_tokens;
  }
  json.key("usage").begin_object().field("prompt_tokens", prompt).field("completion_tokens", completion);
  json.field("total_tokens", prompt + completion);
  json.key("prompt_tokens_details").begin_object().field("cached_tokens", cached).end_object().end_object();
  append_timings(json, choices);
}

void AnswerFormat::append_whole(std::string& out, std::span<const ResponseStream::Chunk> choices) const {
  JsonWriter json(out);
  append_head(json, is_chat() ? "chat.completion" : "text_completion");
  json.key("choices").begin_array();
  std::vector<std::uint32_t> shown = best_choices(choices, shape_.choices_per_prompt, shape_.shown_per_prompt);
  for (std::size_t i = 0; i < shown.size(); ++i) append_choice(json, static_cast<std::uint32_t>(i), choices[shown[i]]);
  json.end_array();
  std::vector<ChoiceEnd> ends;
  for (const ResponseStream::Chunk& choice : choices) ends.push_back({choice.usage, choice.stages, choice.cached});
  append_usage_fields(json, ends);
  if (is_chat() && !choices.empty()) append_prompt_logprobs_field(json, choices.front());
  if (shape_.guide_compat && !choices.empty()) json.field("text", shown_text(choices[shown.front()], {}));
  json.end_object();
}

void AnswerFormat::append_role(std::string& out, std::uint32_t index) const {
  JsonWriter json(out);
  append_head(json, "chat.completion.chunk");
  json.key("choices").begin_array().begin_object().field("index", index);
  json.key("delta").begin_object().field("role", "assistant").field("content", "").end_object();
  json.key("logprobs").null().key("finish_reason").null().end_object().end_array();
  if (shape_.include_usage) json.key("usage").null();
  json.end_object();
}

void AnswerFormat::append_delta(std::string& out, std::uint32_t index, const ResponseStream::Chunk& chunk,
                                TextPosition& position) const {
  std::string text = shown_text(chunk, position);
  JsonWriter json(out);
  append_head(json, is_chat() ? "chat.completion.chunk" : "text_completion");
  json.key("choices").begin_array().begin_object().field("index", index);
  if (is_chat()) {
    json.key("delta").begin_object();
    if (!chunk.text.empty() || !chunk.is_ended()) json.field("content", chunk.text);
    json.end_object();
  } else {
    json.field("text", text);
  }
  append_logprobs(json, chunk, text, position);
  append_finish_reason(json, chunk);
  json.end_object().end_array();
  if (shape_.include_usage) json.key("usage").null();
  json.end_object();
  position.bytes += static_cast<std::uint32_t>(text.size());
  position.has_prompt = true;
  if (shape_.logprobs) position.characters += count_characters(text);
}

void AnswerFormat::append_usage(std::string& out, std::span<const ChoiceEnd> choices) const {
  JsonWriter json(out);
  append_head(json, is_chat() ? "chat.completion.chunk" : "text_completion");
  json.key("choices").begin_array().end_array();
  append_usage_fields(json, choices);
  json.end_object();
}

}  // namespace troupe
