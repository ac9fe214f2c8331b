#pragma once
// A WebSocket client over a plain socket that can also do everything wrong.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::test {

struct WsFrame {
  std::uint8_t opcode = 0;  // 1 text, 2 binary, 8 close, 9 ping, 10 pong
  bool fin = true;
  std::string payload;
};

struct WsFrameStyle {
  bool fin = true;
  bool masked = true;
  std::uint8_t rsv = 0;  // 4 = RSV1
};

class WsClient {
 public:
  // Sends the opening handshake; `extra` are further header lines, each with its \r\n.
  explicit WsClient(std::uint16_t port, std::string_view extra = {}, std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==");
  ~WsClient();
  WsClient(const WsClient&) = delete;
  WsClient& operator=(const WsClient&) = delete;

  bool is_open() const { return head_.rfind("HTTP/1.1 101", 0) == 0; }
  const std::string& head() const { return head_; }  // the answer's, with its body when it was no 101

  void text(std::string_view payload) { frame(1, payload); }
  void frame(std::uint8_t opcode, std::string_view payload, WsFrameStyle style = {});
  void raw(std::string_view bytes);
  // The same bytes over and over, until `most` are sent or none could be for a while; says how many were.
  std::size_t flood(std::string_view bytes, std::size_t most);

  std::optional<WsFrame> next_frame();  // nothing: the server has closed, or 20 s have passed
  std::string next_message();           // the next text message, put together; empty: there is none
  // The code of the server's close frame (0: without code); -1 when the connection ends without one. Skips the rest.
  int close_code();
  void drop();                   // ends the connection without a word
  void shrink_receive_buffer();  // before it reads nothing for long

 private:
  bool fill();
  int fd_ = -1;
  std::string in_;
  std::string head_;
};

// The message has this member: "\"id\":\"a\"".
inline bool has(const std::string& message, std::string_view part) { return message.find(part) != std::string::npos; }

}  // namespace troupe::test
