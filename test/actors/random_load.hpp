#pragma once
// Random requests on the actors of one service, whose messages are delivered in a random order (each actor's own in
// theirs) by one thread. The device is slower than any message: a step ends when nobody has anything left to say. So a
// seed is a run, and what a step costs can be told from what messages cost.
#include <deque>
#include <functional>
#include <future>
#include <random>
#include <string>
#include <vector>

#include "test/actors/actor_bench.hpp"

namespace troupe::test {

inline constexpr std::chrono::milliseconds kDeviceStep{10};

// TROUPE_SEED, or `otherwise`; and another number from the environment likewise.
std::uint64_t number_from(const char* variable, std::uint64_t otherwise);

// The steps that the runners of one bench have taken and not finished yet.
class SlowDevice {
 public:
  bool is_idle() const { return steps_.empty(); }
  SteadyTime ends_at() const { return steps_.front().begun + kDeviceStep; }
  void finish_step();  // the oldest

  // Asked by each runner when it is made and when it is given a step; may throw.
  std::function<void()> on_new_runner, on_submit;

 private:
  friend class SlowRunner;
  struct Step {
    const void* runner;
    SteadyTime begun;
    std::function<void()> finish;
  };
  std::deque<Step> steps_;
};

class RandomLoad {
 public:
  struct One {
    ActorBench::Live live;
    std::vector<TokenId> expected;  // undisturbed
    bool is_struck = false;         // what happens to it is the test's doing
  };

  // bench.start() is the caller's. `random` outlives the load.
  RandomLoad(ScriptedOptions runner, std::mt19937& random);
  ~RandomLoad();

  void submit();
  void submit(Request request, const std::vector<TokenId>& prompt);
  // Delivers one message, or lets time pass, or the device finish a step. False: nothing is left to do.
  bool go_on();
  // Is asked before each message is delivered; `to` is the name of its actor.
  std::function<void(const std::string& to, caf::scheduled_actor& actor)> before_message;

  One* any();  // of those that have not ended
  One* find(caf::actor_id actor);
  One& last() { return requests_.back(); }
  std::vector<One> take_ended();                                                              // and forgets them
  std::size_t size() const { return requests_.size(); }                                       // not taken yet
  std::uint32_t up_to(std::uint32_t n) { return static_cast<std::uint32_t>(random_()) % n; }  // 0 .. n - 1

  SlowDevice device;
  SteadyTime now{std::chrono::seconds(1)};
  std::function<void()> on_clock;  // asked by whoever looks at the clock; may throw
  ActorBench bench;

 private:
  void let_text_through();
  bool spend_time();

  std::mt19937& random_;
  std::deque<One> requests_;
  std::promise<void> gate_;  // the one text worker waits here whenever messages are delivered
};

// The answer, whole or its beginning, is what an undisturbed server says.
bool is_beginning(const RandomLoad::One& one);
bool is_whole(const RandomLoad::One& one);

// free + cached + referenced == total.
bool blocks_add_up(const ActorBench& bench);
// Nothing lives but the four actors that always do, nobody holds a block, no stage has work, the books are closed.
void check_nothing_left(ActorBench& bench);

}  // namespace troupe::test
