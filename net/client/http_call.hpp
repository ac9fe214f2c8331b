#pragma once
// One GET or POST over HTTP, blocking, for the command line. Time and size are bounded; redirects are not followed.
#include <chrono>
#include <cstddef>
#include <string>

#include "runtime/result.hpp"

namespace troupe {

struct HttpUrl {
  std::string host, port, target;
};
// "http://127.0.0.1:9090/metrics"; IPv6 addresses in brackets. kInvalidRequest when it is anything else.
Result<HttpUrl> parse_http_url(const std::string& url);

// The body of a 200. kInvalidRequest: no such URL; kInternal: nobody answered in time, or with another status.
Result<std::string> http_get(const std::string& url, std::chrono::milliseconds timeout, std::size_t bytes_max);

// The same of a POST of JSON, with "Authorization: Bearer <key>" when there is a key. The message of another status has
// the first kErrorTextMax bytes of the answer.
inline constexpr std::size_t kErrorTextMax = 300;
Result<std::string> http_post(const std::string& url, const std::string& json, const std::string& key,
                              std::chrono::milliseconds timeout, std::size_t bytes_max);

}  // namespace troupe
