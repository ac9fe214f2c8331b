#pragma once
// The one deadline a connection has at a time. Moving it is only a number, until the timer that runs has to fire
// earlier: a stream moves it with every token.
#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace troupe {

class Deadline {
 public:
  explicit Deadline(const boost::asio::any_io_executor& executor);
  ~Deadline();  // as stop()
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  // Called on the executor, once for each deadline that is neither moved nor cleared before it passes.
  void on_passed(std::function<void()> passed);
  void set(std::chrono::milliseconds from_now);
  void clear();
  void stop();  // for good

 private:
  struct State;
  static void start(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

}  // namespace troupe
