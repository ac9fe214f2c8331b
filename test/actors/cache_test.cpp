// The result cache and single flight.
#include <caf/send.hpp>
#include <catch2/catch.hpp>

#include "test/actors/actor_bench.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct CacheBench : ActorBench {
  CacheBench() { env->options.result_cache_bytes = 1U << 20; }
};

void check_same(const ResponseStream& a, const ResponseStream& b) {
  auto x = all_of(a);
  auto y = all_of(b);
  CHECK(x.text == y.text);
  CHECK(tokens_of(x) == tokens_of(y));
  CHECK(x.finish == y.finish);
  CHECK(x.usage.prompt_tokens == y.usage.prompt_tokens);
  CHECK(x.usage.completion_tokens == y.usage.completion_tokens);
  CHECK(x.system_fingerprint == y.system_fingerprint);
  REQUIRE(x.tokens.size() == y.tokens.size());
  for (std::size_t i = 0; i < x.tokens.size(); ++i) {
    CHECK(x.tokens[i].text_begin == y.tokens[i].text_begin);
    CHECK(x.tokens[i].logprob == y.tokens[i].logprob);
    CHECK(x.tokens[i].top.size() == y.tokens[i].top.size());
  }
}

}  // namespace

TEST_CASE("a cached answer is the computed one, token by token and byte by byte") {
  CacheBench bench;
  bench.start();
  Request request = bench.request("hello", 30);
  request.logprobs = 3;
  // A stop string that the answer ends with: some of the text is held back while it comes.
  auto answer = text_of(scripted_answer({}, ids_of("hello"), 30));
  request.stop.stop = {answer.substr(20, 4)};
  auto computed = bench.submit(request);
  bench.run();
  std::uint64_t steps = bench.steps();
  auto cached = bench.submit(request);
  bench.run();
  CHECK(bench.steps() == steps);
  CHECK_FALSE(all_of(*computed.stream).cached);
  CHECK(all_of(*cached.stream).cached);
  CHECK(all_of(*computed.stream).finish == FinishReason::kStop);
  check_same(*computed.stream, *cached.stream);
  CHECK(bench.env->metrics().result_cache_hits.value() == 1);
}

TEST_CASE("single flight: 100 identical requests are computed once") {
  CacheBench bench;
  bench.start();
  std::vector<ActorBench::Live> live;
  for (int i = 0; i < 100; ++i) live.push_back(bench.submit(bench.request("same", 12)));
  bench.run();
  CHECK(bench.steps() == 12);
  for (const auto& one : live) {
    REQUIRE(one.stream->phase() == StreamPhase::kFinished);
    CHECK(tokens_of(all_of(*one.stream)) == scripted_answer({}, ids_of("same"), 12));
  }
}

TEST_CASE("single flight: waiters beyond the bound compute for themselves") {
  CacheBench bench;
  bench.env->options.followers_max = 2;
  bench.start();
  std::vector<ActorBench::Live> live;
  for (int i = 0; i < 5; ++i) live.push_back(bench.submit(bench.request("same", 12)));
  bench.run();
  int cached = 0;
  for (const auto& one : live) {
    REQUIRE(one.stream->phase() == StreamPhase::kFinished);
    cached += all_of(*one.stream).cached ? 1 : 0;
  }
  CHECK(cached == 2);
}

TEST_CASE("single flight: when the leader is cancelled or dies a follower leads") {
  bool killed = GENERATE(false, true);
  CacheBench bench;
  bench.start();
  std::vector<ActorBench::Live> live;
  for (int i = 0; i < 3; ++i) live.push_back(bench.submit(bench.request("same", 40)));
  REQUIRE(bench.run_until([&] { return all_of(*live[0].stream).tokens.size() >= 5; }));
  if (killed) {
    caf::anon_send_exit(live[0].actor, caf::exit_reason::kill);
  } else {
    live[0].cancel();
  }
  bench.run();
  // A new actor goes on where the killed one was, by itself: its place at the head is another's.
  CHECK(live[0].stream->phase() == (killed ? StreamPhase::kFinished : StreamPhase::kCancelled));
  for (int i : {1, 2}) {
    REQUIRE(live[static_cast<std::size_t>(i)].stream->phase() == StreamPhase::kFinished);
    CHECK(tokens_of(all_of(*live[static_cast<std::size_t>(i)].stream)) == scripted_answer({}, ids_of("same"), 40));
  }
  CHECK_FALSE(all_of(*live[1].stream).cached);
  CHECK(all_of(*live[2].stream).cached);
  CHECK(bench.env->status.live == 0);
}

TEST_CASE("single flight: a follower that leaves gives its place back") {
  CacheBench bench;
  bench.env->options.followers_max = 1;
  bench.start();
  auto leader = bench.submit(bench.request("same", 60));
  auto gone = bench.submit(bench.request("same", 60));
  bench.run_until([&] { return all_of(*leader.stream).tokens.size() >= 5; });
  gone.cancel();
  bench.run_until([&] { return gone.stream->phase() == StreamPhase::kCancelled; });
  bench.run_until([&] { return all_of(*leader.stream).tokens.size() >= 10; });
  auto next = bench.submit(bench.request("same", 60));
  bench.run();
  CHECK(all_of(*next.stream).cached);
}

TEST_CASE("a request that is not deterministic or says no-cache is computed, and no-store is not kept") {
  CacheBench bench;
  bench.start();
  auto computed_anew = [&](auto change) {
    Request request = bench.request("prompt", 5);
    change(request);
    auto first = bench.submit(request);
    bench.run();
    auto second = bench.submit(request);
    bench.run();
    REQUIRE(second.stream->phase() == StreamPhase::kFinished);
    return !all_of(*second.stream).cached;
  };
  CHECK(computed_anew([](Request& r) { r.sampling.temperature = 1.0F; }));
  CHECK(computed_anew([](Request& r) { r.cache = CachePolicy::kNoCache; }));
  CHECK(computed_anew([](Request& r) { r.cache = CachePolicy::kNoStore; }));
  CHECK_FALSE(computed_anew([](Request& r) { r.sampling.temperature = 1.0F, r.sampling.seed = 5; }));
  CHECK_FALSE(computed_anew([](Request&) {}));
  // Now there is an answer; who does not want his own stored may still have it.
  Request no_store = bench.request("prompt", 5);
  no_store.cache = CachePolicy::kNoStore;
  auto read_only = bench.submit(no_store);
  bench.run();
  CHECK(all_of(*read_only.stream).cached);
}

TEST_CASE("tenants do not see each other's stored answers") {
  CacheBench bench;
  bench.start();
  Request request = bench.request("secret", 5);
  request.tenant = "alice";
  bench.submit(request);
  bench.run();
  request.tenant = "bob";
  auto other = bench.submit(request);
  bench.run();
  CHECK_FALSE(all_of(*other.stream).cached);
}

TEST_CASE("D2: when the cache dies, who waits for it computes and later answers are cached again") {
  CacheBench bench;
  bench.start();
  auto leader = bench.submit(bench.request("same", 40));
  auto follower = bench.submit(bench.request("same", 40));
  bench.run_until([&] { return all_of(*leader.stream).tokens.size() >= 5; });
  caf::anon_send_exit(bench.wiring().cache, caf::exit_reason::kill);
  bench.run();
  for (const auto* one : {&leader, &follower}) {
    REQUIRE(one->stream->phase() == StreamPhase::kFinished);
    CHECK_FALSE(all_of(*one->stream).cached);
    CHECK(tokens_of(all_of(*one->stream)) == scripted_answer({}, ids_of("same"), 40));
  }
  auto first = bench.submit(bench.request("more", 4));
  bench.run();
  auto second = bench.submit(bench.request("more", 4));
  bench.run();
  CHECK(all_of(*second.stream).cached);
}
