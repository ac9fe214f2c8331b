#include "net/client/request_bytes.hpp"

#include <algorithm>
#include <cctype>

#include "net/schema/json_writer.hpp"

namespace troupe {
namespace {

std::string body_of(const ClientOptions& options, const ClientRequest& request) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  if (!options.model.empty()) json.field("model", options.model);
  if (options.is_chat) {
    json.key("messages").begin_array().begin_object().field("role", "user").field("content", request.prompt);
    json.end_object().end_array();
  } else {
    json.field("prompt", request.prompt);
  }
  json.field("max_tokens", request.max_tokens);
  if (options.temperature) json.field("temperature", *options.temperature);
  if (options.ignore_eos) json.field("ignore_eos", true);
  if (!request.user.empty()) json.field("user", request.user);
  if (options.is_streamed) {
    json.field("stream", true);
    json.key("stream_options").begin_object().field("include_usage", true).end_object();
  }
  json.end_object();
  return body;
}

std::string head_of(const ClientOptions& options, const char* method, const char* path, const std::string& api_key) {
  std::string head = std::string(method) + " " + options.url.prefix + path +
                     " HTTP/1.1\r\nHost: " + options.url.host_field() + "\r\nUser-Agent: troupe-load\r\n";
  const std::string& key = api_key.empty() ? options.api_key : api_key;
  if (!key.empty()) head += "Authorization: Bearer " + key + "\r\n";
  for (const auto& [name, value] : options.headers) head.append(name).append(": ").append(value).append("\r\n");
  return head;
}

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || kMarks.find(c) != std::string_view::npos;
  });
}

}  // namespace

std::string completion_bytes(const ClientOptions& options, const ClientRequest& request) {
  std::string body = body_of(options, request);
  std::string bytes =
      head_of(options, "POST", options.is_chat ? "/v1/chat/completions" : "/v1/completions", request.api_key);
  bytes += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  return bytes += body;
}

std::string models_bytes(const ClientOptions& options) { return head_of(options, "GET", "/v1/models", "") + "\r\n"; }

Result<std::pair<std::string, std::string>> parse_header(std::string_view text) {
  constexpr std::size_t kBytesMax = 8192;
  auto refuse = [&](const std::string& why) {
    return Error{ErrorCode::kConfiguration, "--header is \"" + std::string(text.substr(0, 80)) + "\"; " + why, "", 0};
  };
  std::size_t middle = text.find_first_of(":=");
  if (middle == std::string_view::npos || text.size() > kBytesMax || !is_token(text.substr(0, middle)))
    return refuse("expected NAME: VALUE, at most 8192 bytes");
  std::string name(text.substr(0, middle));
  std::string_view value = text.substr(middle + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  if (std::any_of(value.begin(), value.end(), [](char c) { return (c < 0x20 && c != '\t') || c == 0x7F; }))
    return refuse("its value has a control character");
  std::string lower = name;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char* own : {"host", "content-length", "content-type", "transfer-encoding", "connection"}) {
    if (lower == own) return refuse("the client writes " + lower + " itself");
  }
  return std::pair(name, std::string(value));
}

}  // namespace troupe
