#pragma once
// The bounds of a WebSocket (RFC 6455). Every one of them is there because a client can reach it.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

struct WsLimits {
  std::size_t message_bytes_max = 1U << 20;  // of a message, before and after inflating: 1009
  std::uint32_t frames_max = 1024;           // that a message may be cut into: 1008
  std::uint32_t control_frames_max = 100;    // pings and pongs in control_window: 1008
  std::chrono::seconds control_window{10};
  std::uint32_t generations_max = 64;               // running on a socket; one more is answered with an error message
  std::uint32_t choices_max = 256;                  // sequences of all those generations together
  std::size_t replies_max = 64;                     // answers not yet written; then nothing more is read
  std::chrono::milliseconds idle_timeout{300'000};  // nothing received, not even a pong; a ping is sent at half of it
  std::chrono::milliseconds write_stall{30'000};    // one write may take this long; then the socket is closed
  std::chrono::milliseconds close_timeout{5'000};   // for our handshake, and for the peer to answer our close frame
  // Pages that may connect besides those of this server itself: "https://example.org", or "*" for all. Programs that
  // are no browser send no Origin and are let in.
  std::vector<std::string> allowed_origins;
};

}  // namespace troupe
