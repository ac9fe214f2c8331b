// Prompts as a part of the answer, through the service: shown, judged, and through the accidents of the others.
#include <catch2/catch.hpp>

#include "actors/prompt_part.hpp"
#include "test/actors/actor_bench.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

Request judged(const ActorBench& bench, std::string_view text, std::uint32_t max_tokens, std::int32_t alternatives) {
  Request request = bench.request(text, max_tokens);
  request.prompt_logprobs = alternatives;
  request.only_prompt = max_tokens == 0;
  return request;
}

std::vector<PromptScore> scores_of(const ResponseStream::Chunk& chunk) {
  REQUIRE(chunk.prompt);
  std::vector<PromptScore> scores;
  for (const PromptToken& token : chunk.prompt->tokens) scores.push_back(token.score);
  REQUIRE_FALSE(scores.empty());
  CHECK(scores.front() == PromptScore{});
  scores.erase(scores.begin());
  return scores;
}

}  // namespace

TEST_CASE("a judged prompt comes before its answer, and what only wants the prompt gets no more") {
  ActorBench bench;
  bench.env->limits.step_tokens_max = 16;  // a prompt takes several steps
  bench.start();
  const std::string text = "a prompt that is longer than a step";
  auto with_answer = bench.submit(judged(bench, text, 5, 2));
  auto alone = bench.submit(judged(bench, text, 0, 0));
  auto one_token = bench.submit(judged(bench, "x", 0, 3));
  bench.run();
  auto chunk = all_of(*with_answer.stream);
  CHECK(scores_of(chunk) == scripted_scores(ids_of(text), 2));
  CHECK(chunk.prompt->text.empty());
  CHECK(tokens_of(chunk) == scripted_answer({}, ids_of(text), 5));
  auto scored = all_of(*alone.stream);
  REQUIRE(scored.phase == StreamPhase::kFinished);
  CHECK(scores_of(scored) == scripted_scores(ids_of(text), 0));
  CHECK(scored.tokens.empty());
  CHECK(scored.finish == FinishReason::kLength);
  CHECK(scored.usage.prompt_tokens == text.size());
  CHECK(scored.usage.completion_tokens == 0);
  CHECK(scores_of(all_of(*one_token.stream)).empty());
  CHECK(bench.blocks_in_use() == 0);
}

TEST_CASE("an echoed prompt is the client's own text, or what its tokens say") {
  ActorBench bench;
  bench.start();
  Request text = judged(bench, "caf\u00e9 au lait", 3, -1);
  text.echo = true;
  Request tokens = text;
  text.prompt = std::string("caf\u00e9 au lait");
  auto first = bench.submit(text), second = bench.submit(tokens);
  CHECK(eventually([&] {  // a text is tokenized by a thread of its own
    bench.run();
    return first.stream->phase() == StreamPhase::kFinished;
  }));
  for (const auto* live : {&first, &second}) {
    auto chunk = all_of(*live->stream);
    REQUIRE(chunk.prompt);
    CHECK(chunk.prompt->text == "caf\u00e9 au lait");
    REQUIRE(chunk.prompt->tokens.size() == 13);
    CHECK(chunk.prompt->tokens[3].text_begin == 3);
    CHECK(chunk.prompt->tokens[4].text_begin == 3);  // the second byte of a character begins where the first does
    CHECK(chunk.prompt->tokens[5].text_begin == 5);
    CHECK(tokens_of(chunk).size() == 3);
  }
}

TEST_CASE("contract 8: a prompt is judged through the death of its executor at any step") {
  auto kill_at = static_cast<std::uint64_t>(GENERATE(1, 2, 3, 5));
  auto fault = GENERATE(ScriptedFault::kThrow, ScriptedFault::kError, ScriptedFault::kShort);
  auto depth = static_cast<std::uint32_t>(GENERATE(1, 2));
  CAPTURE(kill_at, static_cast<int>(fault), depth);
  ScriptedOptions options;
  options.info.steps_in_flight = depth;
  ActorBench bench(options);
  bench.env->limits.step_tokens_max = 24;
  bench.runner.control->fault_at(kill_at, fault);
  bench.start();
  std::vector<ActorBench::Live> live;
  auto text_of_request = [](int i) {
    return "prompt " + std::to_string(i) + std::string(static_cast<std::size_t>(9 * i), '.');
  };
  for (int i = 0; i < 6; ++i) {
    live.push_back(bench.submit(judged(bench, text_of_request(i), static_cast<std::uint32_t>(i % 3), i % 2)));
  }
  bench.run();
  for (int i = 0; i < 6; ++i) {
    CAPTURE(i);
    auto chunk = all_of(*live[static_cast<std::size_t>(i)].stream);
    CHECK(chunk.phase == StreamPhase::kFinished);
    CHECK(scores_of(chunk) == scripted_scores(ids_of(text_of_request(i)), static_cast<std::uint32_t>(i % 2)));
    CHECK(tokens_of(chunk).size() == static_cast<std::size_t>(i % 3));
  }
  CHECK(bench.blocks_in_use() == 0);
}

TEST_CASE("scores are neither looked up among the stored answers nor stored, an echo may be a stored one") {
  ActorBench bench;
  bench.env->options.result_cache_bytes = 1U << 20U;
  bench.env->status.result_cache_bytes = 1U << 20U;
  bench.start();
  for (int round = 0; round < 2; ++round) {
    auto scored = bench.submit(judged(bench, "again", 2, 1));
    Request echoing = judged(bench, "again", 2, -1);
    echoing.echo = round == 1;
    auto echoed = bench.submit(echoing);
    bench.run();
    CHECK(scores_of(all_of(*scored.stream)) == scripted_scores(ids_of("again"), 1));
    CHECK_FALSE(all_of(*scored.stream).cached);
    auto chunk = all_of(*echoed.stream);
    CHECK(chunk.cached == (round == 1));
    CHECK((chunk.prompt != nullptr) == (round == 1));
    CHECK(chunk.text == text_of(scripted_answer({}, ids_of("again"), 2)));
  }
}

TEST_CASE("a prompt that only is judged may fill the context, and is refused beyond it") {
  ScriptedOptions options;
  options.info.context_length = 64;
  ActorBench bench(options);
  bench.start();
  auto fits = bench.submit(judged(bench, std::string(64, 'x'), 0, 0));
  auto too_long = bench.submit(judged(bench, std::string(65, 'x'), 0, 0));
  bench.run();
  CHECK(scores_of(all_of(*fits.stream)).size() == 63);
  auto refused = all_of(*too_long.stream);
  CHECK(refused.error.code == ErrorCode::kContextLengthExceeded);
  CHECK(refused.error.param == "prompt");
}
