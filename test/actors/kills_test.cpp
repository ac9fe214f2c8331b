// D2: actors that are killed or throw, by the thousand, under load.
#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/send.hpp>
#include <catch2/catch.hpp>

#include <array>
#include <map>
#include <set>
#include <stdexcept>
#include <string_view>

#include "test/actors/random_load.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

// What happens to an actor that has a message: it is killed before it sees it, or something throws while it handles it.
enum class Strike : std::uint8_t {
  kKillRequest,
  kThrowInRequest,
  kKillBatcher,
  kThrowInBatcher,
  kKillExecutor,
  kThrowInExecutor,
  kThrowInNewExecutor,  // in the one that comes for one that was killed
  kKillCache,
  kThrowInTextWorker,
};
constexpr std::size_t kStrikes = 9;

const char* victim_of(Strike strike) {
  switch (strike) {
    case Strike::kKillRequest:
    case Strike::kThrowInRequest:
      return "request";
    case Strike::kKillBatcher:
    case Strike::kThrowInBatcher:
      return "batcher";
    case Strike::kKillExecutor:
    case Strike::kThrowInExecutor:
    case Strike::kThrowInNewExecutor:
      return "executor";
    case Strike::kKillCache:
      return "cache";
    case Strike::kThrowInTextWorker:  // at a text of its own
      return "";
  }
  return "";
}

// How many actors die of it.
int deaths_of(Strike strike) { return strike == Strike::kThrowInNewExecutor ? 2 : 1; }

// Of each actor in a wave: no request is interrupted more often than it is retried.
constexpr int kDeathsMax = 2;
static_assert(kDeathsMax <= static_cast<int>(Scheduler::kRetriesMax));

// Before the actor sees the message it has.
void kill(caf::scheduled_actor& actor) {
  actor.enqueue(nullptr, caf::make_message_id(caf::message_priority::high),
                caf::make_message(caf::exit_msg{actor.address(), caf::exit_reason::kill}), nullptr);
}

constexpr std::string_view kUntokenizable = "!";

// Throws where it is told to.
class ThrowingCodec final : public TextCodec {
 public:
  Result<std::vector<TokenId>> tokenize(std::string_view text, bool special, bool parse) const override {
    if (text == kUntokenizable) throw std::runtime_error("scripted to throw");
    return bytes_.tokenize(text, special, parse);
  }
  Result<std::vector<TokenId>> tokenize_chat(const ChatPrompt& prompt) const override {
    return bytes_.tokenize_chat(prompt);
  }
  Status chat_template_status() const override { return {}; }
  std::unique_ptr<TextDecoder> new_decoder() const override {
    if (on_new_decoder) on_new_decoder();
    return std::make_unique<Decoder>(*this);
  }
  std::unique_ptr<StopFilter> new_stop_filter(std::vector<std::string> stops) const override {
    return bytes_.new_stop_filter(std::move(stops));
  }
  std::string detokenize(std::span<const TokenId> tokens, bool show) const override {
    return bytes_.detokenize(tokens, show);
  }
  std::string token_bytes(TokenId token) const override { return bytes_.token_bytes(token); }
  std::uint32_t vocab_size() const override { return kByteVocab; }
  std::span<const TokenId> end_of_generation() const override { return bytes_.end_of_generation(); }

  std::function<void()> on_new_decoder, on_push;

 private:
  class Decoder final : public TextDecoder {
   public:
    explicit Decoder(const ThrowingCodec& codec) : codec_(codec), bytes_(codec.bytes_.new_decoder()) {}
    void push(TokenId token, std::string& text) override {
      if (codec_.on_push) codec_.on_push();
      bytes_->push(token, text);
    }
    void finish(std::string& text) override { bytes_->finish(text); }

   private:
    const ThrowingCodec& codec_;
    std::unique_ptr<TextDecoder> bytes_;
  };
  ByteCodec bytes_;
};

struct Kills {
  Kills(std::uint32_t depth, std::uint32_t seed) : random(seed), load(options(depth), random) {
    bench.env->options.codec = codec;
    load.before_message = [this](const std::string& to, caf::scheduled_actor& actor) { about_to(to, actor); };
    load.on_clock = [this] { throw_if(clock_calls > 0 && --clock_calls == 0); };
    load.device.on_submit = [this] { throw_if(std::exchange(submit_throws, false)); };
    load.device.on_new_runner = [this] { throw_if(std::exchange(new_runner_throws, false)); };
    codec->on_push = [this] { throw_if(std::exchange(push_throws, false)); };
    bench.start();
  }

  static ScriptedOptions options(std::uint32_t depth) {
    ScriptedOptions options;
    options.info.steps_in_flight = depth;
    options.info.blocks_total = 60;
    options.info.rows_max = 8;
    options.info.tokens_max = 48;
    options.rule.end_every = 40;
    return options;
  }

  void throw_if(bool is_time) {
    if (!is_time) return;
    disarm();  // destructors look at the clock, too
    has_thrown = true;
    throw std::runtime_error("scripted to throw");
  }

  // The actor is the next to run. What is armed here is disarmed when it has run.
  void about_to(const std::string& to, caf::scheduled_actor& actor) {
    if (!next || to != victim_of(*next)) return;
    switch (*next) {
      case Strike::kKillRequest:
        if (load.find(actor.id()) == nullptr) return;  // it goes on for one that was struck already
        kill(actor);
        return struck();
      case Strike::kKillBatcher:
      case Strike::kKillExecutor:
      case Strike::kKillCache:
        kill(actor);
        return struck();
      case Strike::kThrowInRequest:
        if (load.find(actor.id()) == nullptr) return;
        push_throws = true;
        clock_calls = 1;
        return;
      case Strike::kThrowInBatcher:
        // The second look at the clock while an Enqueue is handled is a destructor's.
        clock_calls = std::array{1, 3, 4, 5}[load.up_to(4)];
        return;
      case Strike::kThrowInExecutor:
        submit_throws = true;
        return;
      case Strike::kThrowInNewExecutor:
        if (!std::exchange(new_runner_throws, true)) kill(actor);
        return;
      case Strike::kThrowInTextWorker:
        return;
    }
  }

  void struck() {
    ++strikes[static_cast<std::size_t>(*next)];
    deaths[victim_of(*next)] += deaths_of(*next);
    next.reset();
  }

  void has_run() {
    if (std::exchange(has_thrown, false)) struck();
    disarm();
  }

  void disarm() {
    clock_calls = 0;
    push_throws = submit_throws = false;
  }

  void choose() {
    auto strike = static_cast<Strike>(load.up_to(kStrikes));
    if (deaths[victim_of(strike)] + deaths_of(strike) > kDeathsMax) return;
    next = strike;
    if (strike != Strike::kThrowInTextWorker) return;
    Request request = bench.request("", 5);
    request.prompt = std::string(kUntokenizable);
    load.submit(std::move(request), {});
    load.last().is_struck = true;
    struck();
  }

  // Some requests, some strikes, until all have ended.
  void wave() {
    deaths.clear();
    std::uint32_t to_come = 6 + load.up_to(10);
    for (bool went_on = true; went_on || to_come > 0;) {
      if (to_come > 0 && load.up_to(8) == 0) load.submit(), --to_come;
      if (to_come > 0 && !next && load.up_to(20) == 0) choose();
      if (!next && load.up_to(30) == 0 && load.size() > 0) choose();
      went_on = load.go_on();
      has_run();
      if (!blocks_add_up(bench)) FAIL("the blocks do not add up");
      check_ended();
    }
    next.reset();  // nobody came by to be struck
    new_runner_throws = false;
    load.now += 16s;  // of the cache two die in a wave; ten in a minute would be a crash loop
  }

  void check_ended() {
    for (const RandomLoad::One& one : load.take_ended()) {
      auto chunk = all_of(*one.live.stream);
      CAPTURE(one.live.stream->id(), chunk.text, chunk.error.message);
      ++ended;
      if (!one.is_struck && !is_whole(one)) FAIL("a client noticed the death of an actor");
      if (!one.is_struck) continue;
      ++failed;
      messages.insert(chunk.error.message);
      if (chunk.error.code != ErrorCode::kInternal) FAIL("the error of a text that cannot be tokenized is another one");
    }
  }

  std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (std::uint64_t count : strikes) sum += count;
    return sum;
  }
  std::uint64_t count(std::initializer_list<Strike> some) const {
    std::uint64_t sum = 0;
    for (Strike strike : some) sum += strikes[static_cast<std::size_t>(strike)];
    return sum;
  }

  std::shared_ptr<ThrowingCodec> codec = std::make_shared<ThrowingCodec>();
  std::mt19937 random;

  std::optional<Strike> next;
  int clock_calls = 0;
  bool push_throws = false, submit_throws = false, new_runner_throws = false, has_thrown = false;

  std::array<std::uint64_t, kStrikes> strikes{};
  std::map<std::string, int> deaths;  // in this wave
  std::uint64_t ended = 0, failed = 0;
  std::set<std::string> messages;

  RandomLoad load;
  ActorBench& bench = load.bench;
};

}  // namespace

TEST_CASE("D2, contracts 1, 3, 8: of 1,000 random kills and throws under load no client notices any") {
  auto depth = static_cast<std::uint32_t>(GENERATE(1, 2));
  auto seed = static_cast<std::uint32_t>(number_from("TROUPE_SEED", 20 + depth));
  CAPTURE(depth, seed);
  Kills all(depth, seed);
  std::uint64_t kills = number_from("TROUPE_KILLS", 1'000) / 2;
  while (all.total() < kills) {
    all.wave();
    check_nothing_left(all.bench);
    if (all.bench.env->status.failed_stage >= 0) FAIL("the restart limit tripped after " << all.total() << " kills");
  }
  for (std::size_t i = 0; i < kStrikes; ++i) {
    CAPTURE(i);
    CHECK(all.strikes[i] > kills / 40);
  }
  using enum Strike;
  CHECK(all.failed == all.count({kThrowInTextWorker}));  // where there is no actor that could go on
  CHECK(all.messages == std::set<std::string>{"the prompt could not be tokenized"});
  CHECK(all.bench.env->metrics().retries.value() >= all.count({kKillRequest, kThrowInRequest}));
  // Now and then the blow hits an executor that ends already because its batcher has died.
  std::uint64_t executors = all.count({kKillExecutor, kThrowInExecutor}) + 2 * all.count({kThrowInNewExecutor});
  CHECK(all.bench.env->metrics().executor_restarts.value() <= executors);
  CHECK(all.bench.env->metrics().executor_restarts.value() > executors * 9 / 10);
  CHECK(all.bench.wiring().epoch == 1 + all.count({kKillBatcher, kThrowInBatcher}));
}

TEST_CASE("D2, R082: a crash loop of any actor ends in a state that names it, and every request gets an error") {
  auto [who, stage] = GENERATE(std::pair{"batcher", ProgressStage::kBatcher}, std::pair{"cache", ProgressStage::kCache},
                               std::pair{"executor", ProgressStage::kExecutor});
  CAPTURE(who);
  std::mt19937 random(7);
  RandomLoad load(Kills::options(1), random);
  ActorBench& bench = load.bench;
  bench.env->options.deaths_max = 3;
  std::uint32_t killed = 0;
  load.before_message = [&, who = who](const std::string& to, caf::scheduled_actor& actor) {
    if (to == who) kill(actor), ++killed;
  };
  bench.start();
  for (int i = 0; i < 8; ++i) load.submit();
  while (load.go_on()) {
  }
  CHECK(killed == 3);
  CHECK(bench.env->status.failed_stage == static_cast<int>(stage));
  for (const RandomLoad::One& one : load.take_ended()) {
    auto chunk = all_of(*one.live.stream);
    if (chunk.phase == StreamPhase::kFinished) continue;  // needed nothing of the dead
    CHECK(chunk.error.code == ErrorCode::kInternal);
    std::string failed = "the " + std::string(who) + " of this server has failed";
    std::string interrupted = "the request was interrupted too often";
    CHECK((chunk.error.message == failed || chunk.error.message == interrupted));
  }
  CHECK(load.size() == 0);
  CHECK(bench.env->status.live == 0);
  CHECK(bench.actors() == 1);  // the supervisor
}

TEST_CASE("D2: deaths that are far apart are no crash loop") {
  std::mt19937 random(7);
  RandomLoad load(Kills::options(1), random);
  ActorBench& bench = load.bench;
  std::uint32_t killed = 0;
  bool is_due = false;
  load.before_message = [&](const std::string& to, caf::scheduled_actor& actor) {
    if (to == "cache" && std::exchange(is_due, false)) kill(actor), ++killed;
  };
  bench.start();
  std::uint32_t deaths = 3 * bench.env->options.deaths_max;
  // With one more in each window the last of them would be one too many.
  std::chrono::milliseconds window = bench.env->options.death_window;
  auto apart = window / (bench.env->options.deaths_max - 1) + 1ms;
  while (killed < deaths && bench.env->status.failed_stage < 0) {
    is_due = true;
    load.submit();
    while (load.go_on()) {
    }
    for (const RandomLoad::One& one : load.take_ended()) CHECK(is_whole(one));
    load.now += apart;
  }
  CHECK(bench.env->status.failed_stage == -1);
  check_nothing_left(bench);
}

TEST_CASE("D2: a request whose actor cannot be made ends with an error") {
  std::mt19937 random(7);
  RandomLoad load(Kills::options(1), random);
  auto codec = std::make_shared<ThrowingCodec>();
  load.bench.env->options.codec = codec;
  load.bench.start();
  codec->on_new_decoder = [] { throw std::runtime_error("scripted to throw"); };
  load.submit();
  while (load.go_on()) {
  }
  codec->on_new_decoder = {};
  auto ended = load.take_ended();
  REQUIRE(ended.size() == 1);
  auto chunk = all_of(*ended[0].live.stream);
  CHECK(chunk.phase == StreamPhase::kFailed);
  CHECK(chunk.error.code == ErrorCode::kInternal);
  CHECK(load.bench.env->metrics().requests.value(Outcome::kRejected) == 1);
  check_nothing_left(load.bench);
}
