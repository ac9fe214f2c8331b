#pragma once
// Where a server is: http://HOST[:PORT][/PREFIX]. What points into the API ("/v1", "/v1/completions") is cut off, so
// the URL somebody has at hand works. https is refused by name.
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/result.hpp"

namespace troupe {

struct ClientUrl {
  static constexpr std::size_t kBytesMax = 2048;

  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port = 80;
  std::string prefix;  // "" or "/something", without a slash at the end

  std::string host_field() const;  // for the header field
};
Result<ClientUrl> parse_client_url(std::string_view text);

}  // namespace troupe
