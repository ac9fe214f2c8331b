// What the runtime itself costs: the whole service (actors, batcher, request actors, response streams) without a model
// and without sockets. A paced runner returns a step every 20 ms, so every stream gets 50 tokens a second; the text
// codec is the scripted one (a byte is a token); one thread reads what the streams have, as often as a step comes. Then
// one stream with steps that return at once: what a step costs by itself, without threads that were asleep.
//   runtime_cost_bench [--streams N] [--seconds S] [--smoke]
// Costs are CPU time of the process and counts, not wall time, so that a busy machine does not make them wrong; the
// runner's, the reader's and the counting allocator's share is in them. Fails when one is beyond its gate.
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

#include "actors/actor_service.hpp"
#include "actors/shell.hpp"
#include "bench/machine.hpp"
#include "test/actors/allocation_count.hpp"
#include "test/doubles/byte_codec.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

// Goals: 10 us a token and stream, 50 us a step, 1,000 streams on half a core, idle 0.5 % of a core. The gates are
// wider, for slower and shared machines; what is counted is the same everywhere.
constexpr double kTokenCpuUsMax = 30;
constexpr double kStepCpuUsMax = 400;        // one after the other, with one stream, whose token is in it
constexpr double kPacedStepCpuUsMax = 1500;  // with every thread woken for it
constexpr double kTokenAllocationsMax = 4;
constexpr double kStepAllocationsMax = 12;  // with one stream
constexpr double kTokenMessagesMax = 1.1;
constexpr double kStepMessagesMax = 4;  // with one stream
constexpr double kIdleShareMax = 0.02;

constexpr auto kStepTime = 20ms;
constexpr std::uint32_t kPromptTokens = 16;
constexpr std::uint32_t kStreamsMin = 100;  // below it a step's own cost is most of what a token seems to cost
constexpr std::uint32_t kStreamsMax = 1024;
constexpr std::uint32_t kContext = 8192;
constexpr std::chrono::seconds kStartLimit{60};  // until all streams run

// Answers every step at the next beat of 20 ms, or at once, with a token for each row that wants one.
class PacedRunner final : public StepRunner {
 public:
  explicit PacedRunner(std::shared_ptr<std::atomic<bool>> is_paced)
      : is_paced_(std::move(is_paced)), thread_([this] { work(); }) {}
  ~PacedRunner() override {
    {
      std::lock_guard lock(mutex_);
      is_ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  const RunnerInfo& info() const override { return info_; }
  void submit(std::shared_ptr<const StepPlan> plan, Done done) override {
    if (!*is_paced_) {  // on the executor's thread, as the host engine computes
      answer(*plan, result_);
      return done(result_);
    }
    std::lock_guard lock(mutex_);
    plan_ = std::move(plan);
    done_ = std::move(done);
    changed_.notify_all();
  }

 private:
  void work() {
    auto beat = std::chrono::steady_clock::now();
    for (;;) {
      std::shared_ptr<const StepPlan> plan;
      Done done;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return plan_ != nullptr || is_ending_; });
        if (is_ending_) return;
        plan = std::move(plan_);
        done = std::move(done_);
      }
      auto now = std::chrono::steady_clock::now();
      beat = std::max(beat + kStepTime, now);
      answer(*plan, result_);
      std::this_thread::sleep_until(beat);
      done(result_);
    }
  }

  static void answer(const StepPlan& plan, StepResult& result) {
    result.clear();
    result.step = plan.step;
    for (const StepRow& row : plan.rows) {
      RowResult& out = result.rows.emplace_back();
      out.sequence = row.sequence;
      if (row.sampling == kNoIndex) continue;
      out.outcome = RowOutcome::kSampled;
      out.token = static_cast<TokenId>('a' + row.position % 26);
    }
  }

  const RunnerInfo info_{"paced", "paced-1", kStreamsMax * 128, kStreamsMax, 65536, kContext, test::kByteVocab, 1};
  const std::shared_ptr<std::atomic<bool>> is_paced_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<const StepPlan> plan_;
  Done done_;
  bool is_ending_ = false;
  StepResult result_;  // of the one step there is
  std::thread thread_;
};

// Takes what the streams have, as sockets would: wakes come from the request actors, reading is done elsewhere.
class Reader {
 public:
  explicit Reader(std::vector<std::shared_ptr<ResponseStream>> streams)
      : streams_(std::move(streams)), cursors_(streams_.size()), changed_(streams_.size()) {
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      streams_[i]->on_change([this, i] { changed_[i].store(true, std::memory_order_release); });
    }
    thread_ = std::thread([this] { work(); });
  }
  ~Reader() {
    is_ending_ = true;
    thread_.join();
    for (const auto& stream : streams_) stream->on_change({});
  }
  std::uint64_t tokens() const { return tokens_; }
  std::size_t running() const { return running_; }  // streams with their first token

 private:
  void work() {
    while (!is_ending_) {
      std::this_thread::sleep_for(kStepTime);
      for (std::size_t i = 0; i < streams_.size(); ++i) {
        if (!changed_[i].exchange(false)) continue;
        bool is_first = cursors_[i].tokens == 0;
        tokens_ += streams_[i]->read(cursors_[i]).tokens.size();
        if (is_first && cursors_[i].tokens > 0) ++running_;
      }
    }
  }

  std::vector<std::shared_ptr<ResponseStream>> streams_;
  std::vector<ResponseStream::Cursor> cursors_;
  std::vector<std::atomic<bool>> changed_;
  std::atomic<std::uint64_t> tokens_ = 0;
  std::atomic<std::size_t> running_ = 0;
  std::atomic<bool> is_ending_ = false;
  std::thread thread_;
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// What has been spent since the start of the process.
struct Spent {
  double wall_s, cpu_s;
  std::uint64_t tokens, steps, allocations, messages;

  static Spent now(const Metrics& metrics) {
    auto wall = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch());
    return {
        wall.count(),        cpu_seconds(),  metrics.tokens_generated.value(), metrics.step_duration.series().count(),
        test::allocations(), messages_sent()};
  }
};

struct Cost {
  double tokens_per_s, core, token_cpu_us, step_cpu_us;
  double token_allocations, step_allocations, token_messages, step_messages;
};

Cost cost_between(const Spent& a, const Spent& b) {
  double wall = b.wall_s - a.wall_s, cpu = b.cpu_s - a.cpu_s;
  auto tokens = static_cast<double>(b.tokens - a.tokens), steps = static_cast<double>(b.steps - a.steps);
  auto allocations = static_cast<double>(b.allocations - a.allocations);
  auto messages = static_cast<double>(b.messages - a.messages);
  return {tokens / wall,        cpu / wall,          cpu / tokens * 1e6, cpu / steps * 1e6,
          allocations / tokens, allocations / steps, messages / tokens,  messages / steps};
}

Request request() {
  Request made;
  made.model = "paced";
  made.prompt = std::vector<TokenId>(kPromptTokens, 'x');
  made.sampling.temperature = 0.0F;
  made.stop.max_tokens = kContext - kPromptTokens;  // cancelled before
  made.cache = CachePolicy::kNoCache;
  made.arrived = std::chrono::steady_clock::now();
  return made;
}

std::unique_ptr<ActorService> start_service(const std::shared_ptr<Metrics>& metrics,
                                            const std::shared_ptr<std::atomic<bool>>& is_paced) {
  ActorServiceOptions options;
  options.codec = std::make_shared<test::ByteCodec>();
  options.new_runner = [is_paced] { return std::make_unique<PacedRunner>(is_paced); };
  options.text_workers = std::make_shared<WorkQueue>(1, WorkQueue::Limits{});
  options.metrics = metrics;
  options.limits.sequences_max = kStreamsMax;
  options.limits.step_tokens_max = 65536;
  options.limits.queue_max = 2 * kStreamsMax;
  options.limits.context_length = kContext;
  options.requests_max = 2 * kStreamsMax;
  options.window.mode = BatchWindowOptions::Mode::kFixed;
  options.window.window_max_ms = 0;
  options.window.prefill_chunk_max = 65536;
  auto service = ActorService::create(std::move(options));
  TROUPE_CHECK(service.ok(), "the service starts");
  return std::move(*service);
}

// The cost of `streams` that all decode, over `seconds`.
Cost measure(ActorService& service, const Metrics& metrics, std::uint32_t streams, double seconds) {
  std::vector<std::shared_ptr<ResponseStream>> live;
  for (std::uint32_t i = 0; i < streams; ++i) live.push_back(service.submit(request()));
  Spent before{}, after{};
  {
    Reader reader(live);
    auto limit = std::chrono::steady_clock::now() + kStartLimit;
    while (reader.running() < streams) {
      TROUPE_CHECK(std::chrono::steady_clock::now() < limit, "all streams run within a minute");
      std::this_thread::sleep_for(kStepTime);
    }
    std::this_thread::sleep_for(500ms);
    before = Spent::now(metrics);
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    after = Spent::now(metrics);
    for (const auto& stream : live) stream->cancel(CancelReason::kClientAsked);
  }
  while (service.live_requests() > 0) std::this_thread::sleep_for(kStepTime);
  return cost_between(before, after);
}

// The cost of one stream whose steps return at once, over most of its tokens.
Cost measure_at_once(ActorService& service, const Metrics& metrics) {
  std::uint64_t begin = metrics.tokens_generated.value();
  auto stream = service.submit(request());
  auto at_token = [&](std::uint64_t token) {
    auto limit = std::chrono::steady_clock::now() + kStartLimit;
    while (metrics.tokens_generated.value() < begin + token) {
      TROUPE_CHECK(std::chrono::steady_clock::now() < limit, "tokens come within a minute");
      std::this_thread::sleep_for(1ms);
    }
    return Spent::now(metrics);
  };
  Spent before = at_token(kContext / 8);
  Spent after = at_token(kContext / 8 * 7);
  stream->cancel(CancelReason::kClientAsked);
  while (service.live_requests() > 0) std::this_thread::sleep_for(kStepTime);
  return cost_between(before, after);
}

class Gates {
 public:
  void check(const char* what, double value, double max) {
    if (value <= max) return;
    std::printf("FAILED: %s is %.2f, at most %.2f is allowed\n", what, value, max);
    failed_ = true;
  }
  int exit_code() const { return failed_ ? 1 : 0; }

 private:
  bool failed_ = false;
};

void print(const char* what, std::uint32_t streams, const Cost& cost) {
  std::printf("%4u streams, %s: %6.0f tok/s, %.1f %% of a core\n", streams, what, cost.tokens_per_s, cost.core * 100);
  std::printf("  a token: %6.2f us CPU, %6.2f allocations, %5.2f messages\n", cost.token_cpu_us, cost.token_allocations,
              cost.token_messages);
  std::printf("  a step:  %6.0f us CPU, %6.0f allocations, %5.0f messages\n", cost.step_cpu_us, cost.step_allocations,
              cost.step_messages);
}

int run(int argc, char** argv) {
  std::uint32_t streams = 1000;
  double seconds = 10;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--smoke") == 0) {
      streams = 200, seconds = 1;
    } else if (std::strcmp(argv[i], "--streams") == 0 && i + 1 < argc) {
      streams = static_cast<std::uint32_t>(std::atoi(argv[++i]));
    } else if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else {
      streams = 0;  // refused below
    }
  }
  if (streams < kStreamsMin || streams > kStreamsMax || !(seconds >= 0.1 && seconds <= 30)) {
    std::fprintf(stderr, "usage: runtime_cost_bench [--streams %u..%u] [--seconds 0.1..30] [--smoke]\n", kStreamsMin,
                 kStreamsMax);
    return 2;
  }
  bench::print_heading(argc, argv);
  auto metrics = std::make_shared<Metrics>();
  auto is_paced = std::make_shared<std::atomic<bool>>(true);
  auto service = start_service(metrics, is_paced);
  Gates gates;

  Cost many = measure(*service, *metrics, streams, seconds);
  print("paced", streams, many);
  gates.check("CPU us a token", many.token_cpu_us, kTokenCpuUsMax);
  gates.check("allocations a token", many.token_allocations, kTokenAllocationsMax);
  gates.check("messages a token", many.token_messages, kTokenMessagesMax);

  Cost one = measure(*service, *metrics, 1, seconds);
  print("paced", 1, one);
  gates.check("CPU us a paced step of one stream", one.step_cpu_us, kPacedStepCpuUsMax);
  gates.check("allocations a step of one stream", one.step_allocations, kStepAllocationsMax);
  gates.check("messages a step of one stream", one.step_messages, kStepMessagesMax);

  *is_paced = false;
  Cost at_once = measure_at_once(*service, *metrics);
  print("at once", 1, at_once);
  gates.check("CPU us a step of one stream", at_once.step_cpu_us, kStepCpuUsMax);

  Spent before = Spent::now(*metrics);
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  Spent after = Spent::now(*metrics);
  double idle = (after.cpu_s - before.cpu_s) / (after.wall_s - before.wall_s);
  std::printf("idle: %.3f %% of a core, %llu messages\n", idle * 100,
              static_cast<unsigned long long>(after.messages - before.messages));
  gates.check("the share of a core when idle", idle, kIdleShareMax);
  return gates.exit_code();
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) { return troupe::run(argc, argv); }
