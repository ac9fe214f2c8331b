#pragma once
// A whole service on a scripted runner, with real threads. Nothing sleeps: waiting is for a change of a stream, with
// a limit that only a broken service reaches.
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/actor_service.hpp"
#include "test/doubles/byte_codec.hpp"
#include "test/doubles/scripted_runner.hpp"

namespace troupe::test {

inline constexpr std::chrono::seconds kLimit{20};

// A clock that stands until it is moved.
class ManualClock {
 public:
  Clock clock() {
    return [now = now_] { return SteadyTime(std::chrono::nanoseconds(now->load())); };
  }
  void advance(std::chrono::nanoseconds by) { now_->fetch_add(by.count()); }
  SteadyTime now() const { return SteadyTime(std::chrono::nanoseconds(now_->load())); }

 private:
  std::shared_ptr<std::atomic<std::int64_t>> now_ = std::make_shared<std::atomic<std::int64_t>>(1'000'000'000);
};

ActorServiceOptions bench_options(StepRunnerFactory runners);

struct ServiceBench {
  explicit ServiceBench(ScriptedOptions the_runner = {}) : runner(std::move(the_runner)) {
    runner.own_thread = true;
    options = bench_options(scripted_runners(runner));
  }
  ActorService& start();  // with `options` as they are then

  ScriptedOptions runner;
  ActorServiceOptions options;
  std::unique_ptr<ActorService> service;
};

// A greedy request for `max_tokens` tokens after `prompt`; deadline none, cache not used.
Request request_for(PromptInput prompt, std::uint32_t max_tokens);
std::vector<TokenId> ids_of(std::string_view text);

// Waits until the stream satisfies `enough`; false: not within kLimit.
bool wait_for(ResponseStream& stream, const std::function<bool(const ResponseStream::Chunk&)>& enough);
ResponseStream::Chunk wait_for_end(ResponseStream& stream);  // all of it
bool wait_for_tokens(ResponseStream& stream, std::size_t tokens);
ResponseStream::Chunk all_of(const ResponseStream& stream);  // what is there now
std::vector<TokenId> tokens_of(const ResponseStream::Chunk& chunk);
std::string text_of(const std::vector<TokenId>& tokens);

// For what no stream tells: looks again until it is true; false: not within kLimit.
bool eventually(const std::function<bool()>& is_true);

}  // namespace troupe::test
