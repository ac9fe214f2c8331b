// The service through its door, with real threads: what a request is answered with, and what is refused.
#include <catch2/catch.hpp>
#include <future>
#include <set>

#include "test/actors/service_bench.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

TEST_CASE("the service answers a text, a conversation and token ids") {
  ServiceBench bench;
  ActorService& service = bench.start();
  auto from_text = service.submit(request_for(std::string("hello"), 20));
  auto from_ids = service.submit(request_for(ids_of("hello"), 20));
  ChatPrompt chat;
  chat.messages = {{"user", "hi", ""}};
  auto from_chat = service.submit(request_for(chat, 20));
  CHECK(wait_for_end(*from_text).text == text_of(scripted_answer({}, ids_of("hello"), 20)));
  CHECK(wait_for_end(*from_ids).text == all_of(*from_text).text);
  CHECK(tokens_of(wait_for_end(*from_chat)) ==
        scripted_answer({}, {kUserToken, 'h', 'i', kEndToken, kAssistantToken}, 20));
  CHECK(from_text->id() != from_ids->id());
}

TEST_CASE("an answer ends at the end token, at a stop string and at max_tokens") {
  ScriptedOptions options;
  options.rule.end_every = 12;
  ServiceBench bench(options);
  ActorService& service = bench.start();
  auto expected = scripted_answer(options.rule, ids_of("go"), 400);
  REQUIRE(expected.size() > 3);
  REQUIRE(expected.size() < 400);
  auto at_end = wait_for_end(*service.submit(request_for(ids_of("go"), 400)));
  CHECK(at_end.finish == FinishReason::kStop);
  CHECK(tokens_of(at_end) == expected);

  auto at_max = wait_for_end(*service.submit(request_for(ids_of("go"), 2)));
  CHECK(at_max.finish == FinishReason::kLength);
  CHECK(at_max.tokens.size() == 2);

  Request stopped = request_for(ids_of("go"), 400);
  stopped.stop.stop = {text_of({expected[1], expected[2]})};
  auto at_stop = wait_for_end(*service.submit(stopped));
  CHECK(at_stop.finish == FinishReason::kStop);
  CHECK(at_stop.text == text_of({expected[0]}));
}

TEST_CASE("a request is refused with what is wrong with it") {
  ServiceBench bench;
  ActorService& service = bench.start();
  auto error_of = [&](Request request) {
    auto chunk = wait_for_end(*service.submit(std::move(request)));
    CHECK(chunk.phase == StreamPhase::kFailed);
    CHECK(chunk.tokens.empty());
    return chunk.error.code;
  };
  CHECK(error_of(request_for(std::string(), 5)) == ErrorCode::kInvalidRequest);
  CHECK(error_of(request_for(std::vector<TokenId>{260}, 5)) == ErrorCode::kInvalidRequest);
  CHECK(error_of(request_for(std::string(1024, 'x'), 1)) == ErrorCode::kContextLengthExceeded);
  CHECK(error_of(request_for(std::string(10, 'x'), 4294967295U)) == ErrorCode::kContextLengthExceeded);
  ChatPrompt chat;
  chat.messages = {{"nobody", "hi", ""}};
  CHECK(error_of(request_for(chat, 5)) == ErrorCode::kInvalidRequest);
  CHECK(eventually([&] { return bench.options.metrics->requests.value(Outcome::kRejected) == 5; }));
  CHECK(bench.options.metrics->books().in_progress() == 0);
}

TEST_CASE("requests without a seed draw different ones, with a seed the same answer comes twice") {
  ServiceBench bench;
  ActorService& service = bench.start();
  auto answer = [&](std::optional<std::uint64_t> seed) {
    Request request = request_for(ids_of("x"), 12);
    request.sampling.temperature = 1.0F;
    request.sampling.seed = seed;
    return wait_for_end(*service.submit(request)).text;
  };
  std::set<std::string> drawn;
  for (int i = 0; i < 10; ++i) drawn.insert(answer({}));
  CHECK(drawn.size() == 10);
  CHECK(answer(42) == answer(42));
}

TEST_CASE("logprobs come with every token when they are asked for") {
  ServiceBench bench;
  Request request = request_for(ids_of("x"), 3);
  request.logprobs = 2;
  auto chunk = wait_for_end(*bench.start().submit(request));
  REQUIRE(chunk.tokens.size() == 3);
  for (const StreamToken& token : chunk.tokens) {
    CHECK(token.logprob == -0.25F);
    REQUIRE(token.top.size() == 2);
    CHECK(token.top[0].token == 'a');
    CHECK(token.top[1].logprob == -1.25F);
  }
}

TEST_CASE("tokenize and detokenize answer once, also when the workers are gone") {
  ServiceBench bench;
  ActorService& service = bench.start();
  std::promise<Result<std::vector<TokenId>>> ids;
  service.tokenize({std::string("ab"), true}, [&](auto result) { ids.set_value(std::move(result)); });
  CHECK(*ids.get_future().get() == std::vector<TokenId>{97, 98});
  std::promise<Result<std::string>> text;
  service.detokenize({97, kEndToken}, [&](auto result) { text.set_value(std::move(result)); });
  CHECK(*text.get_future().get() == "a<|end|>");
  std::promise<Result<std::string>> wrong;
  service.detokenize({-1}, [&](auto result) { wrong.set_value(std::move(result)); });
  CHECK(wrong.get_future().get().error().code == ErrorCode::kInvalidRequest);

  bench.options.text_workers->close();
  std::promise<Result<std::string>> refused;
  service.detokenize({97}, [&](auto result) { refused.set_value(std::move(result)); });
  CHECK(refused.get_future().get().error().code == ErrorCode::kQueueFull);
}

TEST_CASE("detached batcher and executor answer as well") {
  ServiceBench bench;
  bench.options.detached = true;
  bench.options.actor_threads = 1;
  auto stream = bench.start().submit(request_for(ids_of("hello"), 50));
  CHECK(tokens_of(wait_for_end(*stream)) == scripted_answer({}, ids_of("hello"), 50));
}

TEST_CASE("a runner that cannot be made is an error of create") {
  ActorServiceOptions options = bench_options([]() -> std::unique_ptr<StepRunner> { return nullptr; });
  CHECK(ActorService::create(options).error().code == ErrorCode::kInternal);
  options.new_runner = []() -> std::unique_ptr<StepRunner> { throw std::runtime_error("no memory"); };
  auto made = ActorService::create(options);
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().message == "the device could not be started: no memory");
}

TEST_CASE("a request is counted once, in the stages it went through") {
  ServiceBench bench;
  ActorService& service = bench.start();
  for (int i = 0; i < 5; ++i) wait_for_end(*service.submit(request_for(std::string("text"), 10)));
  Metrics& metrics = *bench.options.metrics;
  REQUIRE(eventually([&] { return metrics.requests.value(Outcome::kFinished) == 5; }));
  CHECK(metrics.requests_received.value() == 5);
  CHECK(metrics.requests_accepted.value() == 5);
  CHECK(metrics.tokens_generated.value() == 50);
  CHECK(metrics.prompt_tokens.value() == 20);
  CHECK(metrics.inter_token_latency.series().count() == 45);
  double whole = metrics.request_duration.series(Outcome::kFinished).sum();
  double stages = 0;
  for (std::size_t i = 0; i < kStageCount; ++i) stages += metrics.request_stage.series(static_cast<Stage>(i)).sum();
  CHECK(stages == Approx(whole).epsilon(0.01));
}

TEST_CASE("D17: a request takes its prompt and its longest answer, and gives back what it does not need") {
  ServiceBench bench;
  auto memory = std::make_shared<MemoryGovernor>(64U << 20U);
  bench.options.memory = memory;
  ActorService& service = bench.start();
  auto stream = service.submit(request_for(std::string("hello"), 20));
  auto chunk = wait_for_end(*stream);
  CHECK(chunk.phase == StreamPhase::kFinished);
  CHECK(memory->most_used() >= 20 * 128);
  CHECK(memory->used(MemoryUse::kAnswers) == answer_bytes(chunk.tokens.size(), -1));
  CHECK(eventually([&] { return memory->used(MemoryUse::kRequests) == 0; }));
  stream.reset();
  CHECK(eventually([&] { return memory->used() == 0; }));
}

TEST_CASE("D17: a request there is no memory for is refused with the limit's name, later ones are served") {
  ServiceBench bench;
  auto memory = std::make_shared<MemoryGovernor>(1U << 20U);
  bench.options.memory = memory;
  ActorService& service = bench.start();
  REQUIRE(memory->try_take(MemoryUse::kRequests, 910U << 10U));
  auto refused = wait_for_end(*service.submit(request_for(std::string("hello"), 20)));
  CHECK(refused.error.code == ErrorCode::kQueueFull);
  CHECK(refused.error.retry_after_s >= 1);
  CHECK(refused.error.message.find("memory.limit") != std::string::npos);
  CHECK(memory->used() == 910U << 10U);
  CHECK(service.live_requests() == 0);
  memory->give_back(MemoryUse::kRequests, 910U << 10U);
  CHECK(wait_for_end(*service.submit(request_for(std::string("hello"), 20))).phase == StreamPhase::kFinished);
}

TEST_CASE("D17: stored answers give way when memory gets tight, and none is stored meanwhile") {
  ServiceBench bench;
  auto memory = std::make_shared<MemoryGovernor>(1U << 20U);
  bench.options.memory = memory;
  bench.options.result_cache_bytes = 256U << 10U;
  ActorService& service = bench.start();
  auto ask = [&](const std::string& text) {
    Request request = request_for(text, 20);
    request.sampling.temperature = 0;
    return wait_for_end(*service.submit(std::move(request)));
  };
  for (char c = 'a'; c <= 'h'; ++c) ask(std::string("hello ") + c);
  REQUIRE(eventually([&] { return memory->used(MemoryUse::kResultCache) > 4'000; }));
  CHECK(ask("hello a").cached);
  REQUIRE(eventually([&] { return memory->used(MemoryUse::kAnswers) == 0; }));
  REQUIRE(memory->try_take(MemoryUse::kRequests, 630U << 10U));  // more than 60 % by itself
  CHECK(eventually([&] { return memory->used(MemoryUse::kResultCache) == 0; }));
  CHECK(memory->steps(MemoryStep::kResultCache) == 1);
  CHECK_FALSE(ask("hello a").cached);
  CHECK_FALSE(ask("hello a").cached);
  CHECK(eventually([&] { return memory->steps(MemoryStep::kResultCache) == 3; }));
  memory->give_back(MemoryUse::kRequests, 630U << 10U);
  ask("hello a");
  CHECK(eventually([&] { return ask("hello a").cached; }));
}
