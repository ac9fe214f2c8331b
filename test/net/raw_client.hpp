#pragma once
// A client on a plain socket, so that a test can send anything: half a head, garbage, a reset.
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::test {

struct RawResponse {
  int status = 0;  // 0: the connection ended or the patience did
  std::string head;
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;                           // chunks joined

  std::vector<std::string> events() const;  // what follows "data: ", one for each server-sent event
};

class RawClient {
 public:
  // receive_bytes > 0 sets SO_RCVBUF: a reader that is soon full.
  explicit RawClient(std::uint16_t port, int receive_bytes = 0);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(std::string_view bytes);
  void finish_sending();  // FIN
  void reset();           // RST
  void close();

  RawResponse receive(bool is_head = false);        // one response; bytes after it are kept for the next
  std::string receive_until(std::string_view end);  // everything up to and with `end`, or what came
  std::string receive_all();                        // until the server closes
  bool is_closed();                                 // the server closes, and sends nothing before it

 private:
  bool fill();  // reads what comes next; false: end, error or out of patience
  std::string take(std::size_t bytes);

  int socket_ = -1;
  std::string buffer_;
};

std::string get(std::string_view path, std::string_view fields = "");
std::string post(std::string_view path, std::string_view body, std::string_view fields = "");

}  // namespace troupe::test
