// Embeddings through the service: the same actors as generations, beside them and through the same accidents.
#include <catch2/catch.hpp>

#include "test/actors/actor_bench.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

Request embedding(const ActorBench& bench, std::string_view text, Pooling pooling) {
  Request request = bench.request(text, 1);
  request.pooling = pooling;
  return request;
}

std::string text_number(int i) {
  return "input number " + std::to_string(i) + std::string(static_cast<std::size_t>(7 * i), '.');
}

}  // namespace

TEST_CASE("the service embeds texts and ids beside generations, and counts them as requests without tokens") {
  ActorBench bench;
  bench.env->limits.step_tokens_max = 16;  // an input takes several steps
  bench.start();
  auto before = bench.submit(bench.request("a generation", 20));
  auto mean = bench.submit(embedding(bench, "the text to embed, longer than a step", Pooling::kMean));
  auto last = bench.submit(embedding(bench, "the text to embed, longer than a step", Pooling::kLast));
  bench.run();
  auto ids = ids_of("the text to embed, longer than a step");
  auto chunk = all_of(*mean.stream);
  REQUIRE(chunk.phase == StreamPhase::kFinished);
  CHECK(chunk.embedding == scripted_embedding(ids, Pooling::kMean));
  CHECK(chunk.tokens.empty());
  CHECK(chunk.text.empty());
  CHECK(chunk.usage.prompt_tokens == ids.size());
  CHECK(chunk.usage.completion_tokens == 0);
  CHECK(all_of(*last.stream).embedding == scripted_embedding(ids, Pooling::kLast));
  CHECK(tokens_of(all_of(*before.stream)) == scripted_answer({}, ids_of("a generation"), 20));
  CHECK(bench.env->metrics().requests.value(Outcome::kFinished) == 3);
  CHECK(bench.blocks_in_use() == 0);
}

TEST_CASE("an input that is too long is refused, one that fills the context is not") {
  ScriptedOptions options;
  options.info.context_length = 64;
  ActorBench bench(options);
  bench.start();
  auto fits = bench.submit(embedding(bench, std::string(64, 'x'), Pooling::kMean));
  auto too_long = bench.submit(embedding(bench, std::string(65, 'x'), Pooling::kMean));
  bench.run();
  CHECK(all_of(*fits.stream).embedding == scripted_embedding(ids_of(std::string(64, 'x')), Pooling::kMean));
  auto refused = all_of(*too_long.stream);
  CHECK(refused.phase == StreamPhase::kFailed);
  CHECK(refused.error.code == ErrorCode::kContextLengthExceeded);
  CHECK(refused.error.param == "input");
}

TEST_CASE("R082, contract 8: embeddings survive an executor that is killed at any step, bit by bit") {
  auto kill_at = static_cast<std::uint64_t>(GENERATE(1, 2, 4, 7));
  auto fault = GENERATE(ScriptedFault::kThrow, ScriptedFault::kError, ScriptedFault::kShort);
  auto depth = static_cast<std::uint32_t>(GENERATE(1, 2));
  CAPTURE(kill_at, static_cast<int>(fault), depth);
  ScriptedOptions options;
  options.info.steps_in_flight = depth;
  ActorBench bench(options);
  bench.env->limits.step_tokens_max = 24;  // an input takes several steps
  bench.runner.control->fault_at(kill_at, fault);
  bench.start();
  std::vector<ActorBench::Live> live;
  auto pooling_of = [](int i) { return i % 3 == 2 ? Pooling::kLast : Pooling::kMean; };
  for (int i = 0; i < 8; ++i) live.push_back(bench.submit(embedding(bench, text_number(i), pooling_of(i))));
  bench.run();
  for (int i = 0; i < 8; ++i) {
    CHECK(all_of(*live[static_cast<std::size_t>(i)].stream).embedding ==
          scripted_embedding(ids_of(text_number(i)), pooling_of(i)));
  }
  CHECK(bench.runner.control->runners() == 2);
  CHECK(bench.blocks_in_use() == 0);
}

TEST_CASE("contract 8: an embedding whose numbers are not finite fails alone") {
  ActorBench bench;
  bench.runner.control->fault_at(1, ScriptedFault::kNotFinite);
  bench.start();
  std::vector<ActorBench::Live> live;
  for (int i = 0; i < 4; ++i) live.push_back(bench.submit(embedding(bench, text_number(i), Pooling::kMean)));
  bench.run();
  int failed = 0;
  for (const auto& one : live) failed += one.stream->phase() == StreamPhase::kFailed ? 1 : 0;
  CHECK(failed == 1);
  CHECK(bench.runner.control->runners() == 1);
}

TEST_CASE("D5: an embedding whose client leaves between two steps frees its blocks") {
  ActorBench bench;
  bench.env->limits.step_tokens_max = 8;
  bench.start();
  auto live = bench.submit(embedding(bench, std::string(100, 'x'), Pooling::kMean));
  REQUIRE(bench.run_until([&] { return bench.steps() >= 3; }));
  live.cancel();
  bench.run();
  CHECK(live.stream->phase() == StreamPhase::kCancelled);
  CHECK(bench.blocks_in_use() == 0);
}

TEST_CASE("embeddings are neither looked up among the stored answers nor stored") {
  ActorBench bench;
  bench.env->options.result_cache_bytes = 1U << 20U;
  bench.env->status.result_cache_bytes = 1U << 20U;
  bench.start();
  for (int round = 0; round < 2; ++round) {
    auto live = bench.submit(embedding(bench, "again", Pooling::kMean));
    bench.run();
    CHECK(all_of(*live.stream).embedding == scripted_embedding(ids_of("again"), Pooling::kMean));
    CHECK_FALSE(all_of(*live.stream).cached);
  }
  CHECK(bench.steps() == 2);
}

TEST_CASE("a runner that makes no embeddings is said so") {
  ScriptedOptions options;
  options.info.embedding_size = 0;
  ActorBench bench(options);
  bench.start();
  auto live = bench.submit(embedding(bench, "x", Pooling::kMean));
  bench.run();
  CHECK(all_of(*live.stream).error.code == ErrorCode::kUnsupported);
}
