#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <map>

#include "test/model/engine_driver.hpp"

using namespace troupe;
using namespace troupe::test;

TEST_CASE("R050: a profiled step has the bits of any other, and a span for every phase of every layer") {
  TinyShape shape;
  auto model = model_of(shape);
  auto profiler = std::make_shared<Profiler>();
  auto made = HostStepRunner::make(model, kernels(), small_limits(), kBlocks, profiler);
  REQUIRE(made.ok());
  Profile profile;
  REQUIRE(profiler->start(20, [&](Result<Profile> whole) { profile = std::move(whole).value(); }).ok());
  std::vector<TokenId> tokens = some_tokens(20, model->hyper.vocab_size);
  auto profiled = logits_of(**made, tokens), plain = logits_of(*runner_of(model), tokens);
  CHECK(profiled == plain);
  CHECK(profile.steps == 20);
  std::map<std::string, int> calls;
  for (const ProfileSpan& span : profile.spans) {
    ++calls[span.name];
    CHECK(span.end >= span.begin);
    CHECK(span.begin >= profile.begin);
    CHECK(span.end <= profile.end);
    if (span.name == std::string("down")) {
      CHECK(span.rows == shape.hidden);
      CHECK(span.columns == shape.intermediate);
      CHECK(span.operations == 2ULL * shape.hidden * shape.intermediate);
      CHECK(span.bytes > 0);
    }
  }
  int layers = static_cast<int>(model->layers.size());
  for (const char* name : {"q/k/v", "append K/V", "attention", "o", "gate/up", "down"})
    CHECK(calls[name] == 20 * layers);
  for (const char* name : {"embedding", "head", "sample"}) CHECK(calls[name] == 20);
  CHECK(calls["norm"] == 20 * (2 * layers + 1));
}

TEST_CASE("host engine says what it is") {
  auto model = model_of({});
  auto runner = runner_of(model);
  CHECK(runner->info().vocab_size == 96);
  CHECK(runner->info().context_length == 512);
  CHECK(runner->info().blocks_total == kBlocks);
  CHECK(runner->info().device == std::string("host ") + kernels().name);
  CHECK(runner->info().numerics_class == model->numerics_class);
  CHECK_THAT(model->numerics_class, Catch::StartsWith("TX1-"));
}

TEST_CASE("numerics class changes with any weight and any parameter, and with nothing else") {
  std::string first = model_of({})->numerics_class;
  TinyShape other;
  other.seed = 2;
  CHECK(model_of(other)->numerics_class != first);
  Bytes bytes = tiny_model({}).bytes();
  bytes[bytes.size() - 40] ^= 1;  // a bit of the last matrix
  CHECK(load_weights(TemporaryFile(bytes).path())->numerics_class != first);
  GgufWriter epsilon = tiny_model({})
                           .without("llama.attention.layer_norm_rms_epsilon")
                           .f32("llama.attention.layer_norm_rms_epsilon", 2e-5F);
  CHECK(load_weights(TemporaryFile(epsilon.bytes()).path())->numerics_class != first);
  CHECK(load_weights(TemporaryFile(tiny_model({}).bytes(), "renamed.gguf").path(), 1)->numerics_class == first);
}

TEST_CASE("host engine refuses a plan that does not fit it") {
  auto runner = runner_of(model_of({}));
  RowSampling greedy;
  struct Fault {
    const char* reason;
    std::function<void(StepPlan&)> make;
  };
  const Fault faults[] = {
      {"version", [](StepPlan& p) { p.version = 99; }},
      {"a token outside", [](StepPlan& p) { p.tokens[0] = 96; }},
      {"a token outside", [](StepPlan& p) { p.tokens[0] = -1; }},
      {"a block outside", [](StepPlan& p) { p.blocks[0] = kBlocks; }},
      {"blocks", [](StepPlan& p) { p.rows[0].blocks.count = 1000; }},
      {"too few blocks", [](StepPlan& p) { p.rows[0].position = 15; }},
      {"beyond the context", [](StepPlan& p) { p.rows[0].position = 512; }},
      {"tokens", [](StepPlan& p) { p.rows[0].tokens.count = 0; }},
      {"tokens", [](StepPlan& p) { p.rows[0].tokens.begin = 0xFFFFFFFF; }},
      {"sampling", [](StepPlan& p) { p.rows[0].sampling = 7; }},
      {"temperature", [](StepPlan& p) { p.sampling[0].temperature = std::numeric_limits<float>::quiet_NaN(); }},
      {"min_p", [](StepPlan& p) { p.sampling[0].min_p = -1.0F; }},
      {"bias",
       [](StepPlan& p) {
         p.sampling[0].bias = {0, 1};
       }},
      {"cannot do", [](StepPlan& p) { p.rows[0].kind = static_cast<RowKind>(2); }},
      {"more rows", [](StepPlan& p) { p.rows.resize(9, p.rows[0]); }},
      {"more tokens",
       [](StepPlan& p) {
         for (int i = 0; i < 7; ++i) p.rows.push_back(p.rows[0]);
         for (auto& r : p.rows) r.tokens.count = 10;
       }},
  };
  for (const Fault& fault : faults) {
    INFO(fault.reason);
    auto plan = std::make_shared<StepPlan>();
    add_row(*plan, 1, 0, some_tokens(10, 96), 0, &greedy);
    fault.make(*plan);
    bool called = false;
    runner->submit(plan, [&](const Result<StepResult>& result) {
      called = true;
      REQUIRE_FALSE(result.ok());
      CHECK(result.error().code == ErrorCode::kInternal);
      CHECK_THAT(result.error().message, Catch::Contains(fault.reason));
    });
    CHECK(called);
  }
}

TEST_CASE("host engine takes a token of the step before by from_previous") {
  auto model = model_of({});
  std::vector<TokenId> prompt = some_tokens(20, 96);
  auto direct = runner_of(model), indirect = runner_of(model);
  std::vector<TokenId> expected = generate_greedy(*direct, prompt, 12), output;
  RowSampling greedy;
  for (std::uint32_t i = 0; i < 12; ++i) {
    auto plan = std::make_shared<StepPlan>();
    plan->step = i + 1;
    if (i == 0) {
      add_row(*plan, 5, 0, prompt, 0, &greedy);
    } else {
      add_row(*plan, 5, 19 + i, {-1}, 0, &greedy);
      plan->rows[0].from_previous = 1;
    }
    output.push_back(run_plan(*indirect, plan).rows[0].token);
  }
  CHECK(output == expected);

  auto orphan = std::make_shared<StepPlan>();
  add_row(*orphan, 6, 0, {-1}, 0, &greedy);  // the step before had no such sequence
  orphan->rows[0].from_previous = 1;
  CHECK(run_plan(*indirect, orphan).rows[0].outcome == RowOutcome::kNotFinite);
}

TEST_CASE("host engine counts a token of from_previous in the penalties") {
  auto model = model_of({});
  std::vector<TokenId> prompt = some_tokens(20, 96);
  RowSampling how;
  how.temperature = 0.9F, how.repetition_penalty = 1.3F, how.frequency_penalty = 0.7F, how.seed = 4;
  auto run = [&](bool from_previous) {
    auto runner = runner_of(model);
    auto first = std::make_shared<StepPlan>();
    first->step = 1;
    add_row(*first, 1, 0, prompt, 0, &how);
    TokenId token = run_plan(*runner, first).rows[0].token;
    auto second = std::make_shared<StepPlan>();
    second->step = 2;
    second->flags = kHashLogits;
    RowSampling next = how;
    next.position = 1;
    next.logprobs = 3;
    add_row(*second, 1, 20, {from_previous ? -1 : token}, 0, &next);
    second->rows[0].from_previous = from_previous;
    if (!from_previous) second->history = {{token, 1, 0}}, second->sampling[0].history = {0, 1};
    return run_plan(*runner, second).rows[0];
  };
  RowResult direct = run(false), indirect = run(true);
  CHECK(direct.token == indirect.token);
  CHECK(direct.logits_hash == indirect.logits_hash);
  CHECK(direct.top.count == 3);
}

TEST_CASE("host engine fails the row whose logits are not finite, and no other, then or later") {
  auto model = load_weights(TemporaryFile(tiny_model_with_nan_token().bytes()).path());
  std::vector<TokenId> prompt = {1, 2, 3, 4};
  auto fresh = runner_of(model);
  std::vector<TokenId> expected = generate_greedy(*fresh, prompt, 6);

  auto runner = runner_of(model);
  RowSampling greedy;
  auto plan = std::make_shared<StepPlan>();
  add_row(*plan, 1, 0, prompt, 4, &greedy);
  add_row(*plan, 2, 0, {1, 7, 2}, 0, &greedy);
  add_row(*plan, 3, 0, {7, 7}, 8, nullptr);
  StepResult result = run_plan(*runner, plan);
  CHECK(result.rows[0].outcome == RowOutcome::kSampled);
  CHECK(result.rows[0].token == expected[0]);
  CHECK(result.rows[1].outcome == RowOutcome::kNotFinite);
  CHECK(result.rows[2].outcome == RowOutcome::kNotFinite);  // although it samples nothing
  // The blocks of the failed rows serve the next owner well.
  CHECK(generate_greedy(*runner, prompt, 6) == expected);
}

TEST_CASE("host engine answers rows in order, chunks without a token") {
  auto runner = runner_of(model_of({}));
  RowSampling greedy, detailed;
  detailed.logprobs = 2;
  auto plan = std::make_shared<StepPlan>();
  plan->step = 9;
  add_row(*plan, 11, 0, {1, 2, 3}, 0, nullptr);
  add_row(*plan, 12, 0, {4, 5}, 4, &detailed);
  add_row(*plan, 13, 0, {6}, 8, &greedy);
  add_row(*plan, 14, 0, {7}, 12, &detailed);
  StepResult result = run_plan(*runner, plan);
  CHECK(result.rows[0].outcome == RowOutcome::kNoToken);
  CHECK(result.rows[0].token == -1);
  for (std::size_t i = 0; i < 4; ++i) CHECK(result.rows[i].sequence == 11 + i);
  CHECK(result.rows[1].top.count == 2);
  CHECK(result.rows[2].top.count == 0);
  CHECK(result.rows[3].top.begin == 2);
  CHECK(result.top.size() == 4);
  CHECK(result.top[0].token == result.rows[1].token);
  CHECK(result.compute_ns > 0);
  CHECK(run_plan(*runner, std::make_shared<StepPlan>()).rows.empty());
}
