// D5: clients that leave, by the thousand, in every stage.
#include <caf/actor_cast.hpp>
#include <caf/send.hpp>
#include <catch2/catch.hpp>

#include <array>
#include <thread>

#include "test/actors/allocation_count.hpp"
#include "test/actors/random_load.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::size_t kLiveMax = 24;             // more than run at a time
constexpr std::int64_t kHeldMore = 256 << 10;    // bytes: the caches are bounded and full before the count begins
constexpr std::chrono::nanoseconds kFreeEps{0};  // messages take no time here

struct Disconnects {
  Disconnects(std::uint32_t depth, std::uint32_t seed) : random(seed), load(options(depth), random) {
    bench.start();
  }

  static ScriptedOptions options(std::uint32_t depth) {
    ScriptedOptions options;
    options.info.steps_in_flight = depth;
    options.info.blocks_total = 60;  // tight: sequences are preempted
    options.info.rows_max = 8;
    options.info.tokens_max = 48;
    options.rule.end_every = 40;
    return options;
  }

  // As a connection does that breaks.
  void leave(RandomLoad::One& one) {
    ++left_in[static_cast<std::size_t>(one.live.facts->stage.load())];
    one.is_struck = true;
    if (auto alive = caf::actor_cast<caf::actor>(one.live.actor)) {
      caf::anon_send<caf::message_priority::high>(alive, Cancel{CancelReason::kClientGone, load.now});
    }
  }

  // Until `count` have left and everybody has ended. Every fourth stays and is the neighbour of the others.
  void run(std::uint64_t count) {
    std::uint64_t left = 0;
    for (;;) {
      if (left < count && load.size() < kLiveMax) load.submit();
      if (left < count && load.up_to(6) == 0) {
        RandomLoad::One* one = load.any();
        if (one && !one->is_struck && one->live.stream->id() % 4 != 0) leave(*one), ++left;
      }
      bool went_on = load.go_on();
      if (!blocks_add_up(bench)) FAIL("the blocks do not add up after " << left << " disconnects");
      check_ended();
      if (!went_on && left >= count) return;
    }
  }

  void check_ended() {
    for (const RandomLoad::One& one : load.take_ended()) {
      bool is_right = one.is_struck ? is_beginning(one) : is_whole(one);
      if (!is_right) FAIL("request " << one.live.stream->id() << " has '" << all_of(*one.live.stream).text << "'");
      stayed += one.is_struck ? 0 : 1;
      cancelled += one.live.stream->phase() == StreamPhase::kCancelled ? 1 : 0;
    }
  }

  std::mt19937 random;
  RandomLoad load;
  ActorBench& bench = load.bench;
  std::array<std::uint64_t, kStageCount> left_in{};
  std::uint64_t stayed = 0, cancelled = 0;
};

}  // namespace

TEST_CASE("D5, contracts 1, 3, 8: 10,000 random disconnects leave nothing behind and change no neighbour's answer") {
  auto depth = static_cast<std::uint32_t>(GENERATE(1, 2));
  auto seed = static_cast<std::uint32_t>(number_from("TROUPE_SEED", 5 + depth));
  CAPTURE(depth, seed);
  Disconnects all(depth, seed);
  all.run(500);  // the caches are full then
  std::int64_t held = bytes_held();
  std::uint64_t count = 5'000;  // at each depth
  all.run(count);
  CHECK(bytes_held() - held < kHeldMore);
  check_nothing_left(all.bench);

  CHECK(all.stayed > count / 10);
  CHECK(all.cancelled > count / 2);
  for (Stage stage : {Stage::kTokenize, Stage::kCache, Stage::kQueue, Stage::kPrefill, Stage::kDecode}) {
    CAPTURE(name_of(stage));
    CHECK(all.left_in[static_cast<std::size_t>(stage)] > count / 100);
  }

  // Whoever leaves gives back its blocks when the steps end that mention it: all of them, not only 99 in 100.
  const Histogram& frees = all.bench.env->metrics().cancel_to_free.series();
  auto bounds = frees.bounds();
  auto bound =
      std::find(bounds.begin(), bounds.end(), std::chrono::duration<double>(depth * kDeviceStep + kFreeEps).count());
  REQUIRE(bound != bounds.end());
  CHECK(frees.count() > count / 4);
  CHECK(frees.cumulative()[static_cast<std::size_t>(bound - bounds.begin())] == frees.count());
}

TEST_CASE("D5, contract 8: clients on threads of their own leave at any moment and change no neighbour's answer") {
  constexpr int kClients = 4;
  constexpr int kRequests = 500;  // of each client; three in four leave
  auto seed = static_cast<std::uint32_t>(number_from("TROUPE_SEED", 5));
  CAPTURE(seed);
  ServiceBench bench(Disconnects::options(2));
  bench.options.detached = true;
  bench.options.result_cache_bytes = 16U << 10;
  ActorService& service = bench.start();
  std::atomic<int> wrong = 0, cancelled = 0;
  auto client = [&](std::uint32_t own_seed) {
    std::mt19937 random(own_seed);
    for (int i = 0; i < kRequests; ++i) {
      std::string prompt = "client " + std::to_string(random() % 8) + std::string(random() % 40, 'p');
      auto max_tokens = static_cast<std::uint32_t>(1 + random() % 24);
      auto stream = service.submit(request_for(prompt, max_tokens));
      bool leaves = random() % 4 != 0;
      if (leaves) {
        // Half of them at once: how far the others get depends on what else the machine does.
        bool at_once = random() % 2 == 0;
        for (auto moments = at_once ? 0 : random() % 300; moments > 0; --moments) std::this_thread::yield();
        stream->cancel(CancelReason::kClientGone);
      }
      bool has_ended = wait_for(*stream, [](const ResponseStream::Chunk& chunk) { return chunk.is_ended(); });
      RandomLoad::One one{{{}, stream, {}}, scripted_answer(bench.runner.rule, ids_of(prompt), max_tokens), leaves};
      if (!has_ended || !(leaves ? is_beginning(one) : is_whole(one))) ++wrong;
      if (stream->phase() == StreamPhase::kCancelled) ++cancelled;
    }
  };
  std::vector<std::thread> clients;
  clients.reserve(kClients);
  for (std::uint32_t i = 0; i < kClients; ++i) clients.emplace_back(client, seed * kClients + i);
  for (std::thread& thread : clients) thread.join();
  CHECK(wrong == 0);
  CHECK(cancelled > kClients * kRequests / 8);
  CHECK(eventually([&] { return service.live_requests() == 0; }));
  Metrics& metrics = *bench.options.metrics;
  CHECK(eventually([&] { return metrics.kv_blocks.value(KvState::kReferenced) == 0; }));
  CHECK(metrics.books().in_progress() == 0);
  CHECK(metrics.requests.total() == kClients * kRequests);
}
