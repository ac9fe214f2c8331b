#include "net/ws/ws_protocol.hpp"

#include <algorithm>
#include <boost/json/object.hpp>

#include "net/schema/error_object.hpp"
#include "net/schema/json_parse.hpp"
#include "net/schema/json_writer.hpp"
#include "net/schema/logprobs_object.hpp"

namespace troupe {
namespace {

namespace json = boost::json;
using Message = Result<std::variant<WsSubmit, WsCancel, WsPing>>;

Error invalid(std::string message, std::string param = {}) {
  return {ErrorCode::kInvalidRequest, std::move(message), std::move(param), 0};
}

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

// The name of a generation: shown in logs, so without control characters.
bool is_valid_id(std::string_view id) {
  return !id.empty() && id.size() <= kWsIdMax &&
         std::none_of(id.begin(), id.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

Result<WsSubmit> submit_of(json::object& object) {
  json::value* request = object.if_contains("request");
  if (request == nullptr || !request->is_object()) {
    return invalid("request must be an object: the body of a chat or text completion", "request");
  }
  ApiKind api = request->get_object().contains("messages") ? ApiKind::kChat : ApiKind::kCompletion;
  if (const json::value* kind = object.if_contains("kind"); kind != nullptr && !kind->is_null()) {
    const json::string* text = kind->if_string();
    if (text == nullptr || (*text != "chat" && *text != "completion")) {
      return invalid("kind must be \"chat\" or \"completion\"", "kind");
    }
    api = *text == "chat" ? ApiKind::kChat : ApiKind::kCompletion;
  }
  return WsSubmit{api, std::move(request->get_object())};
}

Message message_of(json::object& object, bool has_id) {
  const json::value* type = object.if_contains("type");
  const json::string* text = type != nullptr ? type->if_string() : nullptr;
  if (text == nullptr) return invalid("type must be a string: submit, cancel or ping", "type");
  if (*text == "ping") return {WsPing{}};
  if (*text != "submit" && *text != "cancel") {
    return invalid("type is none of submit, cancel and ping", "type");
  }
  if (!has_id) {
    return invalid("id must be a string of 1 to " + std::to_string(kWsIdMax) + " bytes without control characters",
                   "id");
  }
  if (*text == "cancel") return {WsCancel{}};
  auto submit = submit_of(object);
  if (!submit.ok()) return submit.error();
  return {std::move(submit).value()};
}

std::string begin(const char* type, std::string_view id) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object().field("type", type);
  if (!id.empty()) writer.field("id", id);
  return out;
}

void append_usage(JsonWriter& writer, const Usage& usage) {
  writer.key("usage").begin_object();
  writer.field("prompt_tokens", usage.prompt_tokens).field("completion_tokens", usage.completion_tokens);
  writer.field("total_tokens", static_cast<std::uint64_t>(usage.prompt_tokens) + usage.completion_tokens);
  writer.key("prompt_tokens_details").begin_object().field("cached_tokens", usage.cached_tokens).end_object();
  writer.end_object();
}

}  // namespace

WsClientMessage parse_ws_message(std::string_view text) {
  auto value = parse_json_object(text);
  if (!value.ok()) return {{}, value.error()};
  json::object& object = value->get_object();
  std::string id;
  if (const json::value* name = object.if_contains("id")) {
    if (const json::string* string = name->if_string(); string != nullptr && is_valid_id(view(*string))) {
      id = view(*string);
    }
  }
  Message message = message_of(object, !id.empty());
  return {std::move(id), std::move(message)};
}

std::string ws_accepted(std::string_view id, const WsAccepted& accepted) {
  std::string out = begin("accepted", id);
  JsonWriter writer(out);
  writer.field("model", accepted.model).field("request_id", accepted.request_id);
  writer.field("system_fingerprint", accepted.system_fingerprint);
  writer.field("choices", accepted.choices).field("cached", accepted.cached);
  writer.end_object();
  return out;
}

std::string ws_tokens(std::string_view id, const WsTokens& tokens) {
  std::string out = begin("tokens", id);
  JsonWriter writer(out);
  writer.field("choice", tokens.choice).field("seq", tokens.seq).field("text", tokens.text);
  if (tokens.logprobs) {
    writer.key("logprobs");
    append_chat_logprobs(writer, tokens.tokens, tokens.codec);
  }
  if (tokens.finish != nullptr) writer.field("finish_reason", name_of(*tokens.finish));
  writer.end_object();
  return out;
}

std::string ws_finished(std::string_view id, FinishReason reason, const Usage& usage, const StageTimes& stages) {
  auto ms = [&](Stage stage) { return std::chrono::duration<double, std::milli>(stages[stage]).count(); };
  std::string out = begin("finished", id);
  JsonWriter writer(out);
  writer.field("finish_reason", name_of(reason));
  append_usage(writer, usage);
  writer.key("timings").begin_object();
  writer.field("tokenize_ms", ms(Stage::kTokenize)).field("queue_ms", ms(Stage::kQueue));
  writer.field("prefill_ms", ms(Stage::kPrefill)).field("decode_ms", ms(Stage::kDecode));
  writer.end_object().end_object();
  return out;
}

std::string ws_cancelled(std::string_view id, const Usage& usage) {
  std::string out = begin("cancelled", id);
  JsonWriter writer(out);
  append_usage(writer, usage);
  writer.end_object();
  return out;
}

std::string ws_error(std::string_view id, const Error& error) {
  std::string out = begin("error", id);
  JsonWriter writer(out);
  if (error.retry_after_s > 0) writer.field("retry_after_s", error.retry_after_s);
  std::string object;  // {"error":{...}}
  append_error_object(object, error);
  out += ',';
  out.append(object, 1);
  return out;
}

std::string ws_pong() { return R"({"type":"pong"})"; }

}  // namespace troupe
