#include "net/client/http_call.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace troupe {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Failure = boost::beast::error_code;

constexpr std::string_view kScheme = "http://";

// The steps one after the other; the first failure ends it. All of it within one deadline.
class Call {
 public:
  using Request = http::request<http::string_body>;

  Call(HttpUrl url, Request request, std::chrono::milliseconds timeout, std::size_t bytes_max)
      : url_(std::move(url)), request_(std::move(request)) {
    parser_.body_limit(bytes_max);
    request_.version(11);
    request_.target(url_.target);
    request_.set(http::field::host, url_.host);
    request_.set(http::field::connection, "close");
    request_.prepare_payload();
    stream_.expires_after(timeout);
    resolver_.async_resolve(url_.host, url_.port, [this](const Failure& failed, const auto& found) {
      if (!goes_on(failed, "cannot be found")) return;
      stream_.async_connect(found, [this](const Failure& refused, const auto&) {
        if (!goes_on(refused, "cannot be reached")) return;
        http::async_write(stream_, request_, [this](const Failure& cut, std::size_t) {
          if (!goes_on(cut, "does not take a request")) return;
          http::async_read(stream_, buffer_, parser_,
                           [this](const Failure& lost, std::size_t) { goes_on(lost, "does not answer"); });
        });
      });
    });
    io_.run_for(timeout + std::chrono::milliseconds(500));  // the resolver has no deadline of its own
  }

  Result<std::string> answer() {
    std::string who = url_.host + ":" + url_.port;
    if (!why_.empty()) return Error{ErrorCode::kInternal, who + " " + why_, "", 0};
    if (!parser_.is_done()) return Error{ErrorCode::kInternal, who + " did not answer in time", "", 0};
    if (parser_.get().result() != http::status::ok) {
      return Error{
          ErrorCode::kInternal,
          who + url_.target + " answers with status " + std::to_string(parser_.get().result_int()) + what_it_says(), "",
          0};
    }
    return std::move(parser_.get().body());
  }

 private:
  std::string what_it_says() const {
    std::string text = parser_.get().body().substr(0, kErrorTextMax);
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    return request_.method() == http::verb::get || text.empty() ? "" : ": " + text;
  }
  bool goes_on(const Failure& failed, const char* what) {
    if (failed) why_ = std::string(what) + ": " + failed.message();
    return !failed;
  }

  HttpUrl url_;
  Request request_;
  asio::io_context io_;
  asio::ip::tcp::resolver resolver_{io_};
  boost::beast::tcp_stream stream_{io_};
  boost::beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  std::string why_;
};

Error no_url(const std::string& url) {
  return {ErrorCode::kInvalidRequest, "\"" + url.substr(0, 100) + "\" is no URL like http://127.0.0.1:9090/metrics", "",
          0};
}

}  // namespace

Result<HttpUrl> parse_http_url(const std::string& url) {
  if (!url.starts_with(kScheme)) return no_url(url);
  std::string rest = url.substr(kScheme.size());
  std::size_t slash = std::min(rest.find('/'), rest.size());
  HttpUrl parsed{"", "80", slash < rest.size() ? rest.substr(slash) : "/"};
  std::string authority = rest.substr(0, slash);
  std::size_t host_end =
      authority.starts_with("[") ? authority.find(']') : std::min(authority.find(':'), authority.size());
  if (host_end == std::string::npos) return no_url(url);
  bool is_v6 = authority.starts_with("[");
  parsed.host = is_v6 ? authority.substr(1, host_end - 1) : authority.substr(0, host_end);
  std::string port = authority.substr(is_v6 ? host_end + 1 : host_end);
  if (!port.empty()) parsed.port = port.substr(1);
  bool is_number = !parsed.port.empty() && parsed.port.size() <= 5 &&
                   std::all_of(parsed.port.begin(), parsed.port.end(), [](char c) { return c >= '0' && c <= '9'; });
  bool has_controls = std::any_of(url.begin(), url.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20; });
  if (parsed.host.empty() || (!port.empty() && port[0] != ':') || !is_number || has_controls) return no_url(url);
  return parsed;
}

Result<std::string> http_get(const std::string& url, std::chrono::milliseconds timeout, std::size_t bytes_max) {
  Result<HttpUrl> parsed = parse_http_url(url);
  if (!parsed) return parsed.error();
  return Call(*std::move(parsed), {http::verb::get, "/", 11}, timeout, bytes_max).answer();
}

Result<std::string> http_post(const std::string& url, const std::string& json, const std::string& key,
                              std::chrono::milliseconds timeout, std::size_t bytes_max) {
  Result<HttpUrl> parsed = parse_http_url(url);
  if (!parsed) return parsed.error();
  Call::Request request{http::verb::post, "/", 11, json};
  request.set(http::field::content_type, "application/json");
  if (!key.empty()) request.set(http::field::authorization, "Bearer " + key);
  return Call(*std::move(parsed), std::move(request), timeout, bytes_max).answer();
}

}  // namespace troupe
