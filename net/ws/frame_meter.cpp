#include "net/ws/frame_meter.hpp"

#include <algorithm>

namespace troupe {

FrameMeter::FrameMeter(const WsLimits& limits)
    : message_bytes_max_(limits.message_bytes_max),
      frames_max_(limits.frames_max),
      control_frames_max_(limits.control_frames_max),
      control_window_(limits.control_window) {}

std::size_t FrameMeter::header_length() const {
  if (header_bytes_ < 2) return 2;
  std::size_t length = header_[1] & 0x7FU;
  std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  std::size_t mask = (header_[1] & 0x80U) != 0 ? 4 : 0;
  return 2 + extended + mask;
}

std::uint64_t FrameMeter::payload_length() const {
  std::uint64_t length = header_[1] & 0x7FU;
  std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (extended == 0) return length;
  length = 0;
  for (std::size_t i = 0; i < extended; ++i) length = length << 8U | header_[2 + i];
  return length;
}

FrameMeter::Excess FrameMeter::begin_frame(SteadyTime now) {
  bool control = (header_[0] & 0x08U) != 0;
  bool last = (header_[0] & 0x80U) != 0;
  payload_left_ = payload_length();
  header_bytes_ = 0;
  if (control) {
    if (now - window_begin_ >= control_window_) window_begin_ = now, control_frames_ = 0;
    return ++control_frames_ > control_frames_max_ ? Excess::kControlFrames : Excess::kNone;
  }
  Excess excess = Excess::kNone;
  if (++frames_ > frames_max_) excess = Excess::kFrames;
  if (payload_left_ > message_bytes_max_ || (message_bytes_ += payload_left_) > message_bytes_max_) {
    excess = Excess::kBytes;
  }
  if (last) frames_ = 0, message_bytes_ = 0;
  return excess;
}

FrameMeter::Excess FrameMeter::add(std::span<const std::uint8_t> bytes, SteadyTime now) {
  Excess first = Excess::kNone;
  for (std::size_t i = 0; i < bytes.size();) {
    if (payload_left_ > 0) {
      std::uint64_t step = std::min<std::uint64_t>(payload_left_, bytes.size() - i);
      payload_left_ -= step;
      i += static_cast<std::size_t>(step);
      continue;
    }
    header_[header_bytes_++] = bytes[i++];
    if (header_bytes_ == header_length()) {
      Excess excess = begin_frame(now);
      if (first == Excess::kNone) first = excess;
    }
  }
  return first;
}

}  // namespace troupe
