#include "net/schema/sampling_fields.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <limits>

#include "net/schema/json_parse.hpp"

namespace troupe {
namespace {

namespace json = boost::json;

constexpr std::int64_t kInt32Max = std::numeric_limits<std::int32_t>::max();

std::string below(std::uint32_t count) { return "between 0 and " + std::to_string(count == 0 ? 0 : count - 1); }

std::optional<std::uint64_t> read_seed(JsonFields& fields) {
  const json::value* value = fields.find("seed");
  if (value == nullptr) return std::nullopt;
  if (const std::uint64_t* number = value->if_uint64()) return *number;
  std::optional<std::int64_t> number = as_integer(*value);
  if (!number) {
    fields.refuse("seed", " must be a 64-bit integer, not " + brief(*value));
    return std::nullopt;
  }
  if (*number == -1) return std::nullopt;  // vLLM's and llama.cpp's clients say "no seed" with it
  return static_cast<std::uint64_t>(*number);
}

// A token id that is written as the name of a field: decimal digits and nothing else.
std::optional<TokenId> token_of_key(std::string_view key, std::uint32_t vocab_size) {
  std::uint32_t id = 0;
  auto [end, failed] = std::from_chars(key.data(), key.data() + key.size(), id);
  bool is_plain = failed == std::errc() && end == key.data() + key.size() && (key.size() == 1 || key[0] != '0');
  if (!is_plain || id >= vocab_size) return std::nullopt;
  return static_cast<TokenId>(id);
}

std::vector<std::pair<TokenId, float>> read_logit_bias(JsonFields& fields, const ModelCard& card) {
  std::vector<std::pair<TokenId, float>> biases;
  const json::object* object = fields.object("logit_bias");
  if (object == nullptr) return biases;
  if (object->size() > kBiasesMax) {
    fields.refuse("logit_bias", " has " + std::to_string(object->size()) + " entries; at most " +
                                    std::to_string(kBiasesMax) + " are allowed");
    return biases;
  }
  for (const auto& member : *object) {
    std::optional<TokenId> token = token_of_key(member.key(), card.vocab_size);
    if (!token) {
      fields.refuse("logit_bias", " has the key " + brief(json::value(member.key())) + "; keys must be token ids " +
                                      below(card.vocab_size));
      return {};
    }
    double bias = member.value().is_number() ? member.value().to_number<double>() : 1000.0;
    if (!(-100.0 <= bias && bias <= 100.0)) {
      fields.refuse("logit_bias",
                    " has the value " + brief(member.value()) + "; values must be numbers between -100 and 100");
      return {};
    }
    biases.emplace_back(*token, static_cast<float>(bias));
  }
  std::sort(biases.begin(), biases.end());
  return biases;
}

std::vector<std::string> read_stop(JsonFields& fields) {
  std::vector<std::string> stops;
  const json::value* value = fields.find("stop");
  if (value == nullptr) return stops;
  json::array one;
  const json::array* list = value->if_array();
  if (value->is_string()) {
    one.push_back(*value);
    list = &one;
  }
  if (list == nullptr || list->size() > kStopsMax) {
    fields.refuse("stop", " must be a string or a list of at most " + std::to_string(kStopsMax) + " strings");
    return stops;
  }
  for (const json::value& element : *list) {
    const json::string* text = element.if_string();
    if (text == nullptr || text->empty() || text->size() > kStopBytesMax) {
      fields.refuse("stop",
                    " must hold strings of 1 to " + std::to_string(kStopBytesMax) + " bytes, not " + brief(element));
      return {};
    }
    stops.emplace_back(std::string_view(*text));
  }
  return stops;
}

std::vector<TokenId> read_stop_tokens(JsonFields& fields, const ModelCard& card) {
  std::vector<TokenId> tokens;
  const json::value* value = fields.find("stop_token_ids");
  if (value == nullptr) return tokens;
  const json::array* list = value->if_array();
  if (list == nullptr || list->size() > kStopTokensMax) {
    fields.refuse("stop_token_ids", " must be a list of at most " + std::to_string(kStopTokensMax) + " token ids");
    return tokens;
  }
  for (const json::value& element : *list) {
    std::optional<std::int64_t> id = as_integer(element);
    if (!id || !(0 <= *id && *id < static_cast<std::int64_t>(card.vocab_size))) {
      fields.refuse("stop_token_ids", " has " + brief(element) + "; token ids are integers " + below(card.vocab_size));
      return {};
    }
    tokens.push_back(static_cast<TokenId>(*id));
  }
  return tokens;
}

bool read_stream_options(JsonFields& fields, std::optional<Error>& error, bool stream) {
  const json::object* options = fields.object("stream_options");
  if (options == nullptr) return false;
  if (!stream) {
    fields.refuse("stream_options", " is only allowed when stream is true");
    return false;
  }
  JsonFields inner(*options, error, "stream_options.");
  if (inner.boolean("continuous_usage_stats", false)) {
    inner.refuse("continuous_usage_stats", " is not supported by this server", ErrorCode::kUnsupported);
  }
  return inner.boolean("include_usage", false);
}

}  // namespace

SharedFields read_shared_fields(JsonFields& fields, std::optional<Error>& error, const ModelCard& card) {
  SharedFields shared;
  SamplingParams& sampling = shared.sampling;
  sampling.temperature = fields.number("temperature", 0.0F, 2.0F, 1.0F);
  sampling.top_p = fields.positive_number("top_p", 1.0F, 1.0F);
  std::int64_t top_k = fields.integer("top_k", -1, kInt32Max, 0);
  sampling.top_k = top_k < 0 ? 0 : static_cast<std::uint32_t>(top_k);
  sampling.min_p = fields.number("min_p", 0.0F, 1.0F, 0.0F);
  sampling.typical_p = fields.positive_number("typical_p", 1.0F, 1.0F);
  sampling.repetition_penalty = fields.positive_number("repetition_penalty", 2.0F, 1.0F);
  sampling.presence_penalty = fields.number("presence_penalty", -2.0F, 2.0F, 0.0F);
  sampling.frequency_penalty = fields.number("frequency_penalty", -2.0F, 2.0F, 0.0F);
  sampling.logit_bias = read_logit_bias(fields, card);
  sampling.seed = read_seed(fields);

  shared.stop.min_tokens = static_cast<std::uint32_t>(fields.integer("min_tokens", 0, card.context_length, 0));
  shared.stop.ignore_eos = fields.boolean("ignore_eos", false);
  shared.stop.stop = read_stop(fields);
  shared.stop.stop_token_ids = read_stop_tokens(fields, card);

  shared.choices = static_cast<std::uint32_t>(fields.integer("n", 1, kChoicesMax, 1));
  shared.stream = fields.boolean("stream", false);
  shared.include_usage = read_stream_options(fields, error, shared.stream);
  shared.serving = read_serving_fields(fields);
  return shared;
}

std::optional<std::uint32_t> read_max_tokens(JsonFields& fields, const char* name, std::int64_t min,
                                             const ModelCard& card) {
  std::int64_t tokens = fields.integer(name, min, std::numeric_limits<std::int64_t>::max(), -1);
  if (tokens < 0) return std::nullopt;
  if (tokens > static_cast<std::int64_t>(card.context_length)) {
    fields.refuse(name,
                  " is " + std::to_string(tokens) + "; this model's maximum context length is " +
                      std::to_string(card.context_length) + " tokens",
                  ErrorCode::kContextLengthExceeded);
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(tokens);
}

void check_min_tokens(JsonFields& fields, const StopRules& stop) {
  if (stop.max_tokens != 0 && stop.min_tokens > stop.max_tokens) {
    fields.refuse("min_tokens", " is " + std::to_string(stop.min_tokens) +
                                    "; it must not exceed max_tokens, which is " + std::to_string(stop.max_tokens));
  }
}

}  // namespace troupe
