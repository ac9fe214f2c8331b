#include "test/net/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>

namespace troupe::test {

std::vector<std::string> RawResponse::events() const {
  std::vector<std::string> all;
  std::string_view rest = body;
  while (!rest.empty()) {
    std::string_view event = rest.substr(0, rest.find("\n\n"));
    rest.remove_prefix(std::min(rest.size(), event.size() + 2));
    std::size_t data = event.find("data: ");
    if (data != std::string_view::npos) all.emplace_back(event.substr(data + 6));
  }
  return all;
}

RawClient::RawClient(std::uint16_t port, int receive_bytes) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_bytes > 0) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  timeval patience{20, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) close();
}

RawClient::~RawClient() { close(); }

void RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void RawClient::finish_sending() { ::shutdown(socket_, SHUT_WR); }

void RawClient::reset() {
  linger at_once{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

void RawClient::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

bool RawClient::fill() {
  char bytes[16384];
  ssize_t received = ::recv(socket_, bytes, sizeof bytes, 0);
  if (received <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(received));
  return true;
}

std::string RawClient::take(std::size_t bytes) {
  std::string taken = buffer_.substr(0, bytes);
  buffer_.erase(0, bytes);
  return taken;
}

std::string RawClient::receive_until(std::string_view end) {
  std::size_t at = 0;
  while ((at = buffer_.find(end)) == std::string::npos) {
    if (!fill()) return take(buffer_.size());
  }
  return take(at + end.size());
}

std::string RawClient::receive_all() {
  while (fill()) {
  }
  return take(buffer_.size());
}

bool RawClient::is_closed() {
  char byte = 0;
  return buffer_.empty() && ::recv(socket_, &byte, 1, 0) == 0;
}

RawResponse RawClient::receive(bool is_head) {
  RawResponse response;
  response.head = receive_until("\r\n\r\n");
  if (response.head.size() < 12 || response.head.compare(0, 7, "HTTP/1.") != 0) return response;
  response.status = std::atoi(response.head.c_str() + 9);
  std::size_t line = response.head.find("\r\n") + 2;
  while (line + 2 < response.head.size()) {
    std::size_t end = response.head.find("\r\n", line);
    std::size_t colon = response.head.find(": ", line);
    std::string name = response.head.substr(line, colon - line);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    response.fields[name] = response.head.substr(colon + 2, end - colon - 2);
    line = end + 2;
  }
  if (is_head || response.status == 204 || response.status / 100 == 1) return response;
  if (auto coding = response.fields.find("transfer-encoding");
      coding != response.fields.end() && coding->second == "chunked") {
    for (;;) {
      std::size_t size = std::strtoull(receive_until("\r\n").c_str(), nullptr, 16);
      while (buffer_.size() < size + 2 && fill()) {
      }
      std::string chunk = take(size + 2);
      if (size == 0 || chunk.size() < size + 2) return response;
      response.body += chunk.substr(0, size);
    }
  }
  if (response.fields.count("content-length") == 0) {
    response.body = receive_all();
    return response;
  }
  std::size_t length = std::strtoull(response.fields["content-length"].c_str(), nullptr, 10);
  while (buffer_.size() < length && fill()) {
  }
  response.body = take(length);
  return response;
}

std::string get(std::string_view path, std::string_view fields) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields) + "\r\n";
}

std::string post(std::string_view path, std::string_view body, std::string_view fields) {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         std::string(fields) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace troupe::test
