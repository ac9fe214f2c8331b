#pragma once
// An HTTP server of raw bytes on a thread of its own: it reads a request, asks the script what to write, writes it and
// closes or waits for the next one.
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace troupe::test {

struct ScriptedBytes {
  std::vector<std::string> parts;  // written one after the other, 20 ms apart
  bool close = false;              // after them
  int stall_ms = 0;                // after them, before the next request is read
};

class ScriptedServer {
 public:
  // `count` is how many requests came before, over all connections.
  using Script = std::function<ScriptedBytes(int count, const std::string& request)>;
  explicit ScriptedServer(Script script);
  ~ScriptedServer();

  std::uint16_t port() const { return port_; }
  int connections() const { return connections_.load(); }
  std::vector<std::string> requests();  // head and body

 private:
  void accept_all();
  void serve(int socket);
  bool read_request(int socket, std::string& buffer, std::string& request);

  Script script_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> is_stopping_{false};
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

std::string json_answer(const std::string& body, const std::string& fields = "", const std::string& status = "200 OK");
std::string sse_head();                          // chunked
std::string sse_chunk(const std::string& data);  // an event in a chunk of its own
inline const char* kLastChunk = "0\r\n\r\n";

}  // namespace troupe::test
