#include "test/doubles/frame_socket.hpp"

#include <sys/socket.h>
#include <cerrno>

namespace troupe::test {
namespace {

bool write_all(int socket, const std::uint8_t* bytes, std::size_t size) {
  while (size > 0) {
    ssize_t n = send(socket, bytes, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

bool read_all(int socket, std::uint8_t* bytes, std::size_t size) {
  while (size > 0) {
    ssize_t n = recv(socket, bytes, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

bool write_frame(int socket, std::span<const std::uint8_t> bytes) {
  std::uint8_t head[4];
  for (unsigned i = 0; i < 4; ++i) head[i] = static_cast<std::uint8_t>(bytes.size() >> (8 * i));
  return write_all(socket, head, sizeof(head)) && write_all(socket, bytes.data(), bytes.size());
}

std::optional<std::vector<std::uint8_t>> read_frame(int socket) {
  std::uint8_t head[4];
  if (!read_all(socket, head, sizeof(head))) return std::nullopt;
  std::uint32_t size = 0;
  for (unsigned i = 0; i < 4; ++i) size |= std::uint32_t{head[i]} << (8 * i);
  if (size > kFrameMax) return std::nullopt;
  std::vector<std::uint8_t> bytes(size);
  if (!read_all(socket, bytes.data(), size)) return std::nullopt;
  return bytes;
}

}  // namespace troupe::test
