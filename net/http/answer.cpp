#include "net/http/answer.hpp"

#include <array>
#include <charconv>
#include <ctime>

#include "net/schema/error_object.hpp"

namespace troupe {
namespace {

const char* reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

// IMF-fixdate (RFC 9110 5.6.7), independent of the locale.
std::string date_now() {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  auto two = [](int n) { return std::string{static_cast<char>('0' + n / 10 % 10), static_cast<char>('0' + n % 10)}; };
  return std::string(kDays[static_cast<std::size_t>(utc.tm_wday)]) + ", " + two(utc.tm_mday) + " " +
         kMonths[static_cast<std::size_t>(utc.tm_mon)] + " " + std::to_string(utc.tm_year + 1900) + " " +
         two(utc.tm_hour) + ":" + two(utc.tm_min) + ":" + two(utc.tm_sec) + " GMT";
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

Answer error_answer(const Error& error, int status) {
  Answer answer;
  answer.status = status;
  answer.error = error.code;
  append_error_object(answer.body, error);
  if (error.retry_after_s > 0) answer.headers.emplace_back("Retry-After", std::to_string(error.retry_after_s));
  if (status == 401) answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  return answer;
}

Answer error_answer(const Error& error) { return error_answer(error, http_status_of(error.code)); }

std::string serialize(const Answer& answer, unsigned version, bool keep_alive) {
  std::string out;
  out.reserve(answer.body.size() + 512);
  out.append("HTTP/1.1 ").append(std::to_string(answer.status)).append(" ").append(reason_phrase(answer.status));
  out.append("\r\n");
  append_field(out, "Date", date_now());
  bool has_body = answer.status != 204;
  if (has_body) append_field(out, "Content-Type", answer.content_type);
  switch (answer.kind) {
    case Answer::Body::kWhole:
    case Answer::Body::kOmitted:
      if (has_body) append_field(out, "Content-Length", std::to_string(answer.body.size()));
      break;
    case Answer::Body::kChunked:
      append_field(out, "Transfer-Encoding", "chunked");
      break;
    case Answer::Body::kToClose:
      break;
  }
  if (!keep_alive)
    append_field(out, "Connection", "close");
  else if (version == 10)
    append_field(out, "Connection", "keep-alive");
  for (const auto& [name, value] : answer.headers) append_field(out, name, value);
  out.append("\r\n");
  if (answer.kind == Answer::Body::kWhole && has_body) out.append(answer.body);
  return out;
}

void append_chunk(std::string& out, std::string_view data) {
  if (data.empty()) return;  // a chunk of no bytes would be the last one
  char size[16];
  auto end = std::to_chars(size, size + sizeof size, data.size(), 16).ptr;
  out.append(size, end).append("\r\n").append(data).append("\r\n");
}

}  // namespace troupe
