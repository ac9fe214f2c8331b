#include "net/client/client_url.hpp"

#include <algorithm>
#include <charconv>

namespace troupe {
namespace {

Error wrong_url(std::string_view text, const std::string& why) {
  return {ErrorCode::kConfiguration, "the URL \"" + std::string(text.substr(0, 200)) + "\" " + why, "", 0};
}

void cut_end(std::string_view& text, std::string_view end) {
  if (text.ends_with(end)) text.remove_suffix(end.size());
}

}  // namespace

std::string ClientUrl::host_field() const {
  std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == 80 ? name : name + ":" + std::to_string(port);
}

Result<ClientUrl> parse_client_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  std::string_view rest = text;
  if (text.size() > ClientUrl::kBytesMax) return wrong_url(text, "is longer than 2048 bytes");
  if (std::any_of(text.begin(), text.end(), [](char c) { return c <= 0x20 || c >= 0x7F; }))
    return wrong_url(text, "has characters beside printable ASCII");
  if (text.starts_with("https://")) return wrong_url(text, "is https, which is not supported; use http");
  if (text.starts_with(kScheme)) rest.remove_prefix(kScheme.size());
  if (rest.find("://") != std::string_view::npos) return wrong_url(text, "has a scheme beside http");

  std::string_view path = rest.substr(std::min(rest.size(), rest.find('/')));
  std::string_view authority = rest.substr(0, rest.size() - path.size());
  if (path.find_first_of("?#") != std::string_view::npos || authority.find_first_of("?#@") != std::string_view::npos)
    return wrong_url(text, "may have a host, a port and a path, nothing else");

  ClientUrl url;
  std::string_view port;
  if (authority.starts_with('[')) {
    std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return wrong_url(text, "has a [ without a ]");
    url.host = std::string(authority.substr(1, close - 1));
    port = authority.substr(close + 1);
  } else {
    std::size_t colon = authority.find(':');
    url.host = std::string(authority.substr(0, colon));
    port = colon == std::string_view::npos ? std::string_view() : authority.substr(colon);
  }
  if (url.host.empty()) return wrong_url(text, "names no host");
  if (!port.empty()) {
    auto [end, failed] = std::from_chars(port.data() + 1, port.data() + port.size(), url.port);
    if (port[0] != ':' || failed != std::errc{} || end != port.data() + port.size() || url.port == 0)
      return wrong_url(text, "has a port that is not a number from 1 to 65535");
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  cut_end(path, "/chat/completions");
  cut_end(path, "/completions");
  cut_end(path, "/v1");
  url.prefix = std::string(path);
  return url;
}

}  // namespace troupe
