#pragma once
// A server and a clock that a test writes: each request is answered by a function of when it came, in virtual time.
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "load/load_driver.hpp"

namespace troupe::test {

// Seconds from when a request was sent to each text and to its end.
struct ScriptedAnswer {
  std::vector<double> texts;
  double end = 0.0;
  ClientEnd how{ClientEnding::kDone, 200, "", true, 10, 3, {}};
};

class ScriptedClient : public CompletionClient {
 public:
  using Script = std::function<ScriptedAnswer(double now_s, const ClientRequest& request)>;
  explicit ScriptedClient(Script script) : script_(std::move(script)) {}

  void send(ClientRequest request) override;
  void cancel(std::uint32_t slot) override;

  // Plays until the driver says that the run is over; `late_s` makes each of its wake-ups late. Returns when it was.
  double play(LoadDriver& driver, double late_s = 0.0);
  std::function<void(double now_s)> on_step;  // called before each tick

  static SteadyTime at(double seconds);
  struct Sent {
    double at_s;
    ClientRequest request;
  };
  std::vector<Sent> sent;
  std::size_t in_flight_most = 0;

 private:
  struct Event {
    std::uint32_t slot;
    bool is_end;
    ClientEnd how;
  };
  Script script_;
  double now_s_ = 0.0;
  std::multimap<double, Event> events_;
  std::size_t in_flight_ = 0;
};

}  // namespace troupe::test
