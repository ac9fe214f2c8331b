#include "net/client/answer_reader.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <utility>

#include "net/schema/json_fields.hpp"
#include "net/schema/json_parse.hpp"
#include "net/schema/utf8.hpp"

namespace troupe {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return "";
  if (const json::string* text = value->if_string()) return std::string(*text);
  if (value->is_int64()) return std::to_string(value->get_int64());  // llama.cpp's codes are numbers
  return "";
}

std::uint32_t count_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  auto count = value == nullptr ? std::nullopt : as_integer(*value);
  return count && *count >= 0 && *count <= 0xFFFFFFFFLL ? static_cast<std::uint32_t>(*count) : 0;
}

bool has_text(const json::object& choice) {
  auto is_text = [](const json::value* value) {
    return value != nullptr && value->is_string() && !value->get_string().empty();
  };
  if (is_text(choice.if_contains("text"))) return true;
  for (const char* name : {"delta", "message"}) {
    const json::value* part = choice.if_contains(name);
    if (part == nullptr || !part->is_object()) continue;
    for (const char* field : {"content", "reasoning_content", "reasoning"}) {
      if (is_text(part->get_object().if_contains(field))) return true;
    }
  }
  return false;
}

// An error's short name: code, else type.
std::string error_name(const json::object& error) {
  std::string name = text_of(error, "code");
  std::string type = text_of(error, "type");
  bool is_number = !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
  return name.empty() || (is_number && !type.empty()) ? type : name;
}

}  // namespace

AnswerReader::AnswerReader(int status, bool is_streamed) : status_(status), is_streamed_(is_streamed) {
  end_.status = status;
}

std::uint32_t AnswerReader::feed(std::string_view bytes) {
  if (!is_streamed_) {
    body_ += bytes;  // the connection bounds the body
    return 0;
  }
  std::uint32_t before = texts_;
  if (!sse_.feed(bytes, [this](std::string_view data) { read_event(data); })) {
    is_malformed_ = true;
    end_.error = "an event is larger than 1 MiB";
  }
  return texts_ - before;
}

void AnswerReader::read_event(std::string_view data) {
  if (data == "[DONE]")
    is_complete_ = true;
  else
    read_object(data, true);
}

void AnswerReader::read_object(std::string_view text, bool is_event) {
  auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object()) {
    is_malformed_ = true;
    if (end_.error.empty()) end_.error = "not a JSON object";
    return;
  }
  const json::object& object = parsed->get_object();
  if (const json::value* error = object.if_contains("error"); error != nullptr && !error->is_null()) {
    has_error_ = true;
    std::string name, message, param;
    if (const json::object* details = error->if_object()) {
      name = error_name(*details);
      message = text_of(*details, "message");
      param = text_of(*details, "param");
    } else if (const json::string* said = error->if_string()) {
      name = text_of(object, "error_type");
      message = std::string(*said);
    }
    end_.error = std::string(cut_utf8(name.empty() ? message : name, kErrorTextMax));
    demands_model_ = param == "model" || message.find("model") != std::string::npos ||
                     message.find("Field required") != std::string::npos;
  }
  if (const json::value* usage = object.if_contains("usage"); usage != nullptr && usage->is_object()) {
    end_.has_usage = true;
    end_.prompt_tokens = count_of(usage->get_object(), "prompt_tokens");
    end_.output_tokens = count_of(usage->get_object(), "completion_tokens");
  }
  const json::value* choices = object.if_contains("choices");
  if (choices == nullptr || !choices->is_array()) return;
  if (!is_event) is_complete_ = true;
  bool with_text = false;
  for (const json::value& choice : choices->get_array()) {
    if (!choice.is_object()) continue;
    with_text = with_text || has_text(choice.get_object());
    const json::value* reason = choice.get_object().if_contains("finish_reason");
    if (reason != nullptr && reason->is_string()) is_complete_ = true;
  }
  if (with_text && is_event) ++texts_;
}

ClientEnd AnswerReader::finish(bool is_whole, std::string_view retry_after) {
  if (!is_streamed_ && (is_whole || status_ != 200)) read_object(body_, false);
  ClientEnd end = end_;
  end.retry_after_s = parse_retry_after(retry_after);
  if (status_ == 429 || status_ == 503) {
    end.ending = ClientEnding::kRefused;
    if (!has_error_) end.error.clear();
  } else if (status_ != 200) {
    end.ending = ClientEnding::kHttpError;
    if (!has_error_) end.error.clear();
  } else if (has_error_) {
    end.ending = ClientEnding::kStreamError;
  } else if (is_malformed_) {
    end.ending = ClientEnding::kMalformed;
  } else if (!is_complete_ && !is_whole) {
    end.ending = ClientEnding::kBroken;
  } else if (!is_complete_) {
    end.ending = ClientEnding::kMalformed;
    end.error = "the answer ended without finish_reason";
  }
  return end;
}

std::optional<double> parse_retry_after(std::string_view text) {
  double seconds = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failed != std::errc{} || end != text.data() + text.size() || !(seconds >= 0.0 && seconds <= 1e9))
    return std::nullopt;
  return seconds;
}

std::string first_model_id(std::string_view body) {
  auto parsed = parse_json(body);
  if (!parsed || !parsed->is_object()) return "";
  const json::value* data = parsed->get_object().if_contains("data");
  if (data == nullptr || !data->is_array() || data->get_array().empty()) return "";
  const json::value& first = data->get_array().front();
  return first.is_object() ? text_of(first.get_object(), "id") : "";
}

}  // namespace troupe
