#pragma once
// One end of a stream socket that carries frames: 4 bytes length, little-endian, then as many bytes.
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace troupe::test {

inline constexpr std::uint32_t kFrameMax = 64U << 20;  // bytes; a longer one is an error

bool write_frame(int socket, std::span<const std::uint8_t> bytes);  // false: the other end is gone
std::optional<std::vector<std::uint8_t>> read_frame(int socket);    // nothing: likewise

}  // namespace troupe::test
