#include "net/http/head_rules.hpp"

#include <algorithm>
#include <cctype>

namespace troupe {

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::size_t RequestHead::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      fields.begin(), fields.end(), [&](const auto& field) { return equals_ignoring_case(field.first, name); }));
}

std::string_view RequestHead::find(std::string_view name) const {
  for (const auto& field : fields) {
    if (equals_ignoring_case(field.first, name)) return field.second;
  }
  return {};
}

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool all_digits(std::string_view text) { return std::all_of(text.begin(), text.end(), is_digit); }

Answer refusal(ErrorCode code, std::string message, int status = 0) {
  Error error{code, std::move(message), "", 0};
  Answer answer = status == 0 ? error_answer(error) : error_answer(error, status);
  answer.close = true;
  return answer;
}
Answer bad_request(std::string message) { return refusal(ErrorCode::kInvalidRequest, std::move(message)); }

// uri-host [ ":" port ], RFC 9110 7.2: a registered name, an IPv4 address or an IPv6 address in brackets.
bool is_host(std::string_view host) {
  std::size_t end = 0;
  if (!host.empty() && host[0] == '[') {
    end = host.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    for (char c : host.substr(1, end - 1)) {
      if (std::isxdigit(static_cast<unsigned char>(c)) == 0 && c != ':' && c != '.') return false;
    }
    ++end;
  } else {
    constexpr std::string_view kMarks = "-._~%!$&'()*+,;=";  // unreserved, percent-encoded, sub-delims
    while (end < host.size() && (std::isalnum(static_cast<unsigned char>(host[end])) != 0 ||
                                 kMarks.find(host[end]) != std::string_view::npos)) {
      ++end;
    }
    if (end == 0) return false;
  }
  if (end == host.size()) return true;
  return host[end] == ':' && all_digits(host.substr(end + 1)) && host.size() - end <= 6;
}

std::optional<Answer> refuse_framing(const RequestHead& head) {
  std::size_t encodings = head.count("Transfer-Encoding");
  std::size_t lengths = head.count("Content-Length");
  if (lengths > 1) return bad_request("the request has several Content-Length fields");
  std::string_view length = head.find("Content-Length");
  if (lengths == 1 && (length.empty() || !all_digits(length))) {
    return bad_request("Content-Length is not a decimal number");
  }
  if (encodings == 0) return std::nullopt;
  if (lengths > 0) return bad_request("the request has both Transfer-Encoding and Content-Length");
  if (encodings > 1) return bad_request("the request has several Transfer-Encoding fields");
  if (head.version < 11) return bad_request("Transfer-Encoding is not allowed in HTTP/1.0");
  std::string_view coding = head.find("Transfer-Encoding");
  if (coding.empty()) return bad_request("Transfer-Encoding is empty");
  if (!equals_ignoring_case(coding, "chunked")) {
    return refusal(ErrorCode::kUnsupported, "the only Transfer-Encoding this server knows is chunked", 501);
  }
  if (!head.is_chunked) return bad_request("Transfer-Encoding is malformed");
  return std::nullopt;
}

bool is_json(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  return type.empty() || equals_ignoring_case(type, "application/json") ||
         (type.size() > 5 && equals_ignoring_case(type.substr(type.size() - 5), "+json"));
}

}  // namespace

std::string_view path_of(std::string_view target) {
  for (std::string_view scheme : {std::string_view("http://"), std::string_view("https://")}) {
    if (target.size() < scheme.size() || !equals_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    std::size_t slash = target.find('/', scheme.size());
    if (slash == scheme.size()) return {};  // no authority
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    break;
  }
  if (target == "*") return target;
  if (target.empty() || target[0] != '/' || target.find('#') != std::string_view::npos) return {};
  return target.substr(0, target.find('?'));
}

std::optional<Answer> refuse_head(const RequestHead& head, const HttpLimits& limits) {
  if (head.target.size() > limits.target_bytes_max) {
    return refusal(ErrorCode::kUriTooLong, "the request target has " + std::to_string(head.target.size()) +
                                               " bytes; at most " + std::to_string(limits.target_bytes_max) +
                                               " are allowed");
  }
  if (head.fields.size() > limits.fields_max) {
    return refusal(ErrorCode::kHeadersTooLarge, "the request has " + std::to_string(head.fields.size()) +
                                                    " header fields; at most " + std::to_string(limits.fields_max) +
                                                    " are allowed");
  }
  if (head.version != 10 && head.version != 11) {
    return refusal(ErrorCode::kInvalidRequest, "this server speaks HTTP/1.1", 505);
  }
  std::size_t hosts = head.count("Host");
  if (hosts > 1) return bad_request("the request has several Host fields");
  if (hosts == 0 && head.version == 11) return bad_request("the request has no Host field");
  if (hosts == 1 && !is_host(head.find("Host"))) return bad_request("the Host field is not a host");
  if (std::optional<Answer> answer = refuse_framing(head)) return answer;
  if (head.method != "CONNECT" && path_of(head.target).empty()) return bad_request("the request target is malformed");
  return std::nullopt;
}

std::optional<Answer> refuse_body(const RequestHead& head, const HttpLimits& limits) {
  std::string_view expect = head.find("Expect");
  if (!expect.empty() && !equals_ignoring_case(expect, "100-continue")) {
    return refusal(ErrorCode::kInvalidRequest, "the only expectation this server meets is 100-continue", 417);
  }
  std::string_view encoding = head.find("Content-Encoding");
  if (!encoding.empty() && !equals_ignoring_case(encoding, "identity")) {
    return refusal(ErrorCode::kUnsupportedMediaType, "Content-Encoding is not supported: send the body as it is");
  }
  if (!is_json(head.find("Content-Type"))) {
    return refusal(ErrorCode::kUnsupportedMediaType, "Content-Type must be application/json");
  }
  if (head.content_length.value_or(0) > limits.body_bytes_max) {
    return refusal(ErrorCode::kPayloadTooLarge, "the body has " + std::to_string(*head.content_length) +
                                                    " bytes; at most " + std::to_string(limits.body_bytes_max) +
                                                    " are allowed");
  }
  return std::nullopt;
}

}  // namespace troupe
