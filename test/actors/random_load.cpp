#include "test/actors/random_load.hpp"

#include <caf/scheduled_actor.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>

namespace troupe::test {

// Computes at once and keeps the result until the device is told to finish.
class SlowRunner final : public StepRunner {
 public:
  SlowRunner(ScriptedOptions options, SlowDevice& device, const SteadyTime& now)
      : inner_(std::move(options)), device_(device), now_(now) {
    if (device_.on_new_runner) device_.on_new_runner();
  }
  ~SlowRunner() override {
    std::erase_if(device_.steps_, [this](const auto& step) { return step.runner == this; });
  }
  const RunnerInfo& info() const override { return inner_.info(); }
  void submit(std::shared_ptr<const StepPlan> plan, Done done) override {
    if (device_.on_submit) device_.on_submit();
    device_.steps_.push_back({this, now_, [result = inner_.compute(*plan), done = std::move(done)] { done(result); }});
  }

 private:
  ScriptedRunner inner_;
  SlowDevice& device_;
  const SteadyTime& now_;
};

void SlowDevice::finish_step() {
  Step step = std::move(steps_.front());
  steps_.pop_front();
  SteadyTime end = step.begun + kDeviceStep;
  if (!steps_.empty()) steps_.front().begun = end;  // it waited for this one
  step.finish();
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

RandomLoad::RandomLoad(ScriptedOptions runner, std::mt19937& random) : bench(std::move(runner)), random_(random) {
  bench.env->options.clock = [this] {
    if (on_clock) on_clock();
    return now;
  };
  bench.env->options.new_runner = [this, options = bench.runner] {
    return std::make_unique<SlowRunner>(options, device, now);
  };
  bench.env->options.window = {BatchWindowOptions::Mode::kFixed, 0, 32, 512, 16};
  bench.env->options.result_cache_bytes = 16U << 10;
  bench.env->options.stall = std::chrono::hours(1'000);  // nothing hangs here, however far the clock is moved
  let_text_through();
}

RandomLoad::~RandomLoad() {
  gate_.set_value();
  bench.env->options.text_workers->close();
}

void RandomLoad::let_text_through() {
  std::promise<void> next;
  auto arrived = std::make_shared<std::promise<void>>();
  std::future<void> there = arrived->get_future();
  auto gate = std::make_shared<std::future<void>>(next.get_future());
  REQUIRE(bench.env->options.text_workers->try_post([arrived, gate] { arrived->set_value(), gate->wait(); }, 0));
  gate_.set_value();
  there.wait();
  gate_ = std::move(next);
}

// Few beginnings and few lengths: requests share prefixes, and some are equal and meet in the result cache.
void RandomLoad::submit() {
  std::string prompt(1, static_cast<char>('A' + up_to(6)));
  prompt += std::string(up_to(4) * 25, static_cast<char>('x' + up_to(2)));
  Request request = bench.request(prompt, 1 + up_to(24));
  if (up_to(2) == 0) request.prompt = prompt;
  if (up_to(3) == 0) request.sampling.temperature = 1.0F, request.sampling.seed = up_to(4);
  if (up_to(6) == 0) request.cache = CachePolicy::kNoCache;
  submit(std::move(request), ids_of(prompt));
}

void RandomLoad::submit(Request request, const std::vector<TokenId>& prompt) {
  auto expected = scripted_answer(bench.runner.rule, prompt, request.stop.max_tokens, request.sampling);
  requests_.push_back({bench.submit(std::move(request)), std::move(expected)});
}

bool RandomLoad::go_on() {
  auto& jobs = bench.coordinator().jobs;
  if (bench.env->options.text_workers->depth() > 0 && (jobs.empty() || up_to(40) == 0)) let_text_through();
  if (jobs.empty()) return spend_time();
  std::swap(jobs[0], jobs[up_to(static_cast<std::uint32_t>(jobs.size()))]);
  if (before_message) {
    if (auto* actor = dynamic_cast<caf::scheduled_actor*>(jobs[0])) before_message(actor->name(), *actor);
  }
  bench.coordinator().run_once();
  return true;
}

bool RandomLoad::spend_time() {
  if (device.is_idle()) return false;
  if (up_to(2) == 0) {
    now += std::chrono::nanoseconds(up_to(static_cast<std::uint32_t>((device.ends_at() - now).count()) + 1));
  } else {
    now = device.ends_at();
    device.finish_step();
  }
  return true;
}

RandomLoad::One* RandomLoad::any() {
  if (requests_.empty()) return nullptr;
  One& one = requests_[up_to(static_cast<std::uint32_t>(requests_.size()))];
  return one.live.stream->phase() < StreamPhase::kFinished ? &one : nullptr;
}

RandomLoad::One* RandomLoad::find(caf::actor_id actor) {
  auto one = std::find_if(requests_.begin(), requests_.end(), [actor](One& o) { return o.live.actor.id() == actor; });
  return one != requests_.end() ? &*one : nullptr;
}

std::vector<RandomLoad::One> RandomLoad::take_ended() {
  std::vector<One> ended;
  std::erase_if(requests_, [&](One& one) {
    if (one.live.stream->phase() < StreamPhase::kFinished) return false;
    ended.push_back(std::move(one));
    return true;
  });
  return ended;
}

bool is_beginning(const RandomLoad::One& one) {
  auto chunk = all_of(*one.live.stream);
  auto tokens = tokens_of(chunk);
  return tokens.size() <= one.expected.size() && std::equal(tokens.begin(), tokens.end(), one.expected.begin()) &&
         chunk.text == text_of(tokens);
}

bool is_whole(const RandomLoad::One& one) {
  auto chunk = all_of(*one.live.stream);
  return chunk.phase == StreamPhase::kFinished && tokens_of(chunk) == one.expected &&
         chunk.text == text_of(one.expected);
}

bool blocks_add_up(const ActorBench& bench) {
  const auto& blocks = bench.env->options.metrics->kv_blocks;
  double sum = blocks.value(KvState::kFree) + blocks.value(KvState::kCached) + blocks.value(KvState::kReferenced);
  return sum == bench.runner.info.blocks_total;
}

void check_nothing_left(ActorBench& bench) {
  constexpr std::size_t kResidents = 4;  // supervisor, cache, batcher, executor
  CHECK(bench.actors() == kResidents);
  CHECK(bench.env->status.live == 0);
  CHECK(bench.blocks_in_use() == 0);
  CHECK(blocks_add_up(bench));
  Metrics& metrics = *bench.env->options.metrics;
  CHECK(metrics.books().in_progress() == 0);
  CHECK(metrics.queue_requests.value() == 0);
  CHECK(metrics.running_sequences.value() == 0);
  CHECK_FALSE(bench.env->progress.stuck(bench.env->now() + std::chrono::hours(1), std::chrono::seconds(1)));
}

}  // namespace troupe::test
