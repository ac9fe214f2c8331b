#include "test/net/scripted_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace troupe::test {
namespace {

constexpr int kPollMs = 20;

bool is_readable(int socket) {
  pollfd one{socket, POLLIN, 0};
  return ::poll(&one, 1, kPollMs) > 0;
}

}  // namespace

ScriptedServer::ScriptedServer(Script script) : script_(std::move(script)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 128) != 0)
    throw std::runtime_error("a scripted server cannot listen");
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedServer::~ScriptedServer() {
  is_stopping_ = true;
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  ::close(listener_);
}

std::vector<std::string> ScriptedServer::requests() {
  std::lock_guard lock(mutex_);
  return requests_;
}

void ScriptedServer::accept_all() {
  while (!is_stopping_) {
    if (!is_readable(listener_)) continue;
    int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    ++connections_;
    threads_.emplace_back([this, socket] {
      serve(socket);
      ::close(socket);
    });
  }
}

bool ScriptedServer::read_request(int socket, std::string& buffer, std::string& request) {
  for (;;) {
    std::size_t head = buffer.find("\r\n\r\n");
    if (head != std::string::npos) {
      std::size_t length = buffer.find("Content-Length: ");
      std::size_t body = length < head ? std::strtoull(buffer.c_str() + length + 16, nullptr, 10) : 0;
      if (buffer.size() >= head + 4 + body) {
        request = buffer.substr(0, head + 4 + body);
        buffer.erase(0, request.size());
        return true;
      }
    }
    while (!is_stopping_ && !is_readable(socket)) {
    }
    char bytes[16384];
    ssize_t received = is_stopping_ ? 0 : ::recv(socket, bytes, sizeof bytes, 0);
    if (received <= 0) return false;
    buffer.append(bytes, static_cast<std::size_t>(received));
  }
}

void ScriptedServer::serve(int socket) {
  std::string buffer, request;
  while (read_request(socket, buffer, request)) {
    int count = 0;
    {
      std::lock_guard lock(mutex_);
      count = static_cast<int>(requests_.size());
      requests_.push_back(request);
    }
    ScriptedBytes answer = script_(count, request);
    for (std::size_t i = 0; i < answer.parts.size(); ++i) {
      if (i > 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      ::send(socket, answer.parts[i].data(), answer.parts[i].size(), MSG_NOSIGNAL);
    }
    for (int waited = 0; waited < answer.stall_ms && !is_stopping_; waited += kPollMs)
      std::this_thread::sleep_for(std::chrono::milliseconds(kPollMs));
    if (answer.close) return;
  }
}

std::string json_answer(const std::string& body, const std::string& fields, const std::string& status) {
  return "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\n" + fields +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string sse_head() {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
}

std::string sse_chunk(const std::string& data) {
  std::string event = "data: " + data + "\n\n";
  char size[24];
  std::snprintf(size, sizeof size, "%zx\r\n", event.size());
  return size + event + "\r\n";
}

}  // namespace troupe::test
