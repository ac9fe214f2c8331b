#include "test/net/ws_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::test {

WsClient::WsClient(std::uint16_t port, std::string_view extra, std::string_view key) {
  fd_ = socket(AF_INET, SOCK_STREAM, 0);
  timeval patience{20, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return;
  raw("GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
      std::string(key) + "\r\n" + std::string(extra) + "\r\n");
  while (in_.find("\r\n\r\n") == std::string::npos && fill()) {
  }
  auto end = in_.find("\r\n\r\n");
  if (in_.rfind("HTTP/1.1 101", 0) == 0 && end != std::string::npos) {
    head_ = in_.substr(0, end + 4);
    in_.erase(0, end + 4);
    return;
  }
  auto length = in_.find("Content-Length: ");
  std::size_t body = length < end ? std::stoul(in_.substr(length + 16)) : 0;
  while (in_.size() < end + 4 + body && fill()) {
  }
  head_ = in_;
}

WsClient::~WsClient() { drop(); }

void WsClient::drop() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void WsClient::shrink_receive_buffer() {
  int bytes = 4096;
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

void WsClient::raw(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the server has closed: what it said shows in the reading
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::size_t WsClient::flood(std::string_view bytes, std::size_t most) {
  constexpr int kPatienceMs = 2000;  // a server under sanitizers is slow
  int buffer = 1 << 16;              // a large one is writable again only when much of it is gone
  setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  std::size_t sent_all = 0;
  for (std::string_view rest = bytes; sent_all < most;) {
    pollfd writable{fd_, POLLOUT, 0};
    if (poll(&writable, 1, kPatienceMs) <= 0) break;
    ssize_t sent = send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) break;
    sent_all += static_cast<std::size_t>(sent);
    rest.remove_prefix(static_cast<std::size_t>(sent));
    if (rest.empty()) rest = bytes;
  }
  return sent_all;
}

void WsClient::frame(std::uint8_t opcode, std::string_view payload, WsFrameStyle style) {
  std::string out;
  out += static_cast<char>((style.fin ? 0x80U : 0U) | static_cast<unsigned>(style.rsv) << 4U | opcode);
  unsigned mask_bit = style.masked ? 0x80U : 0U;
  if (payload.size() < 126) {
    out += static_cast<char>(mask_bit | payload.size());
  } else if (payload.size() < 65536) {
    out += static_cast<char>(mask_bit | 126U);
    out += static_cast<char>(payload.size() >> 8U);
    out += static_cast<char>(payload.size());
  } else {
    out += static_cast<char>(mask_bit | 127U);
    for (unsigned shift = 64; shift > 0;)
      out += static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> (shift -= 8));
  }
  static constexpr char kMask[] = {0x37, static_cast<char>(0xFA), 0x21, 0x3D};
  if (style.masked) out.append(kMask, 4);
  std::size_t begin = out.size();
  out += payload;
  if (style.masked) {
    for (std::size_t i = begin; i < out.size(); ++i) out[i] = static_cast<char>(out[i] ^ kMask[(i - begin) % 4]);
  }
  raw(out);
}

bool WsClient::fill() {
  char bytes[16384];
  ssize_t count = recv(fd_, bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  in_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

std::optional<WsFrame> WsClient::next_frame() {
  auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(in_[i]); };
  for (;;) {
    std::size_t header = 2;
    if (in_.size() >= header) {
      std::uint64_t length = byte(1) & 0x7FU;
      std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
      header += extended;
      if (in_.size() >= header) {
        if (extended > 0) length = 0;
        for (std::size_t i = 0; i < extended; ++i) length = length << 8U | byte(2 + i);
        if (in_.size() - header >= length) {
          WsFrame frame{static_cast<std::uint8_t>(byte(0) & 0x0FU), (byte(0) & 0x80U) != 0, in_.substr(header, length)};
          in_.erase(0, header + length);
          return frame;
        }
      }
    }
    if (!fill()) return std::nullopt;
  }
}

std::string WsClient::next_message() {
  std::string message;
  while (auto frame = next_frame()) {
    if (frame->opcode == 8) return {};
    if (frame->opcode > 2) continue;
    message += frame->payload;
    if (frame->fin) return message;
  }
  return {};
}

int WsClient::close_code() {
  while (auto frame = next_frame()) {
    if (frame->opcode != 8) continue;
    if (frame->payload.size() < 2) return 0;
    return static_cast<std::uint8_t>(frame->payload[0]) << 8 | static_cast<std::uint8_t>(frame->payload[1]);
  }
  return -1;
}

}  // namespace troupe::test
