#pragma once
// What an upgrade request must have besides what the library checks itself. Pure: strings in, a verdict out.
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"

namespace troupe {

inline constexpr std::string_view kWsProtocol = "troupe.v1";  // the subprotocol, for clients that offer one

struct WsHandshake {
  std::string_view key;     // Sec-WebSocket-Key
  std::string_view origin;  // empty: none was sent
  std::string_view host;    // Host
};

// kInvalidRequest: the key is not 16 bytes in base64. kForbidden: a page from elsewhere.
Status check_ws_handshake(const WsHandshake& handshake, const std::vector<std::string>& allowed_origins);

bool is_ws_key(std::string_view key);
// True without an origin (no browser), for the page's own server and for what is listed; "*" lists everything.
bool is_origin_allowed(std::string_view origin, std::string_view host, const std::vector<std::string>& allowed);

// What to answer to Sec-WebSocket-Protocol: "troupe.v1" when it is among the offered, else nothing.
std::string_view choose_ws_protocol(std::string_view offered);

}  // namespace troupe
