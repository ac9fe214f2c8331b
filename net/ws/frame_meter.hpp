#pragma once
// Follows the frame headers in the bytes a WebSocket client sends (RFC 6455 section 5.2) and says when it sends too
// much of what the library takes without asking: frames without content, control frames, compressed bytes that
// inflate to nothing. Whether the frames are valid is not its business.
#include <array>
#include <cstdint>
#include <span>

#include "net/ws/ws_limits.hpp"
#include "runtime/request.hpp"

namespace troupe {

class FrameMeter {
 public:
  enum class Excess : std::uint8_t { kNone, kFrames, kControlFrames, kBytes };

  explicit FrameMeter(const WsLimits& limits);

  // The first excess in `bytes`, which follow those of the calls before; afterwards it is kNone again.
  Excess add(std::span<const std::uint8_t> bytes, SteadyTime now);

 private:
  Excess begin_frame(SteadyTime now);
  std::uint64_t payload_length() const;
  std::size_t header_length() const;  // as far as the bytes that are there tell

  const std::size_t message_bytes_max_;
  const std::uint32_t frames_max_;
  const std::uint32_t control_frames_max_;
  const std::chrono::seconds control_window_;

  std::array<std::uint8_t, 14> header_{};
  std::size_t header_bytes_ = 0;
  std::uint64_t payload_left_ = 0;
  // Of the message under way:
  std::uint32_t frames_ = 0;
  std::uint64_t message_bytes_ = 0;
  // Of the window under way:
  SteadyTime window_begin_{};
  std::uint32_t control_frames_ = 0;
};

}  // namespace troupe
