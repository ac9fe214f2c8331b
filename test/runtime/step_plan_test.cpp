#include "runtime/step_plan.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>
#include <random>

using namespace troupe;

namespace {

// Two rows: the end of a prompt that samples with everything, and a decode of a token not known yet.
StepPlan example_plan() {
  StepPlan plan;
  plan.flags = kHashLogits;
  plan.step = 7;
  plan.tokens = {5, 6, 7, -1};
  plan.targets = {9, 6, 7};
  plan.blocks = {3, 4, 9};
  StepRow prompt;
  prompt.sequence = 0x1122334455667788U;
  prompt.position = 16;
  prompt.tokens = {0, 3};
  prompt.blocks = {0, 2};
  prompt.sampling = 0;
  prompt.targets = {1, 2};
  prompt.target_alternatives = 4;
  StepRow decode;
  decode.sequence = 2;
  decode.position = 15;
  decode.tokens = {3, 1};
  decode.from_previous = 1;
  decode.blocks = {2, 1};
  StepRow input;  // a part of an input to embed, with its end
  input.sequence = 3;
  input.kind = RowKind::kEmbed;
  input.tokens = {1, 2};
  input.blocks = {0, 1};
  input.pooling = Pooling::kMean;
  input.sum = 5;
  input.is_end = 1;
  plan.rows = {prompt, decode, input};
  RowSampling sampling;
  sampling.temperature = 0.7F;
  sampling.top_p = std::numeric_limits<float>::quiet_NaN();  // bits are kept, whatever they mean
  sampling.seed = 0xFFFFFFFFFFFFFFFFU;
  sampling.bias = {0, 1};
  sampling.banned = {0, 2};
  sampling.history = {1, 1};
  plan.sampling = {sampling};
  plan.bias = {{8, -1.5F}};
  plan.banned = {0, 2};
  plan.history = {{1, 1, 0}, {2, 0, 1}};
  return plan;
}

StepResult example_result() {
  StepResult result;
  result.step = 7;
  result.compute_ns = 123456789;
  result.rows = {{1, RowOutcome::kSampled, 42, -0.5F, {0, 2}, 0xABCDEF, {}, {0, 2}},
                 {2, RowOutcome::kNoToken, -1, 0.0F, {2, 0}, 0, {}, {}},
                 {3, RowOutcome::kPooled, -1, 0.0F, {2, 0}, 0, {1, 2}, {}}};
  result.scores = {{-0.75F, 3, {1, 1}}, {-2.0F, 1, {}}};
  result.values = {0.5F, 0.6F, -0.8F};
  result.top = {{42, -0.5F}, {7, -1.5F}};
  return result;
}

// Ends in a value or in an error. A value has the very bytes it came from: there is one way to write a record.
void decode_plan(const std::vector<std::uint8_t>& bytes) {
  std::vector<std::uint8_t> exact(bytes);  // its own allocation: a read past the end is seen by the sanitizer
  auto plan = decode_step_plan(exact);
  if (plan.ok()) {
    if (encode(*plan) != exact) FAIL("a plan was decoded that has other bytes");
  } else if (plan.error().code != ErrorCode::kInvalidRequest) {
    FAIL("an unexpected error");
  }
}

void decode_result(const std::vector<std::uint8_t>& bytes) {
  std::vector<std::uint8_t> exact(bytes);
  auto result = decode_step_result(exact);
  if (result.ok() && encode(*result) != exact) FAIL("a result was decoded that has other bytes");
}

template <class Change>
std::string problem_after(Change change) {
  StepPlan plan = example_plan();
  change(plan);
  auto decoded = decode_step_plan(encode(plan));
  return decoded.ok() ? "" : decoded.error().message;
}

}  // namespace

TEST_CASE("step plan and result survive encoding bit by bit") {
  auto bytes = encode(example_plan());
  auto plan = decode_step_plan(bytes);
  REQUIRE(plan.ok());
  REQUIRE(plan->step == 7);
  REQUIRE(plan->rows.size() == 3);
  REQUIRE(plan->rows[2].pooling == Pooling::kMean);
  REQUIRE(plan->rows[2].sum == 5);
  REQUIRE(plan->rows[2].is_end == 1);
  REQUIRE(plan->rows[0].sequence == 0x1122334455667788U);
  REQUIRE(plan->rows[1].from_previous == 1);
  REQUIRE(plan->tokens == std::vector<TokenId>{5, 6, 7, -1});
  REQUIRE(plan->sampling[0].seed == 0xFFFFFFFFFFFFFFFFU);
  REQUIRE(plan->bias[0].bias == -1.5F);
  REQUIRE(plan->history[1].in_prompt == 1);
  REQUIRE(encode(*plan) == bytes);

  auto result = decode_step_result(encode(example_result()));
  REQUIRE(result.ok());
  REQUIRE(result->compute_ns == 123456789);
  REQUIRE(result->rows[0].logits_hash == 0xABCDEF);
  REQUIRE(result->top[1].token == 7);
  REQUIRE(result->rows[2].vector.begin == 1);
  REQUIRE(result->values == std::vector<float>{0.5F, 0.6F, -0.8F});
}

TEST_CASE("step plan is written in little endian, in the order of its fields") {
  StepPlan plan;
  plan.flags = 0x01020304;
  plan.step = 5;
  plan.tokens = {-2};
  std::vector<std::uint8_t> expected = {3, 0, 0, 0, 4,    3,    2,    1,
                                        5, 0, 0, 0, 0,    0,    0,    0,      // version, flags, step
                                        0, 0, 0, 0,                           // rows
                                        1, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF};  // tokens
  expected.insert(expected.end(), 6 * 4, 0);  // blocks, sampling, bias, banned, history, targets
  REQUIRE(encode(plan) == expected);
}

TEST_CASE("step plan that breaks its own rules is refused with the reason") {
  REQUIRE(problem_after([](StepPlan&) {}).empty());
  using Catch::Contains;
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.version = 1; }), Contains("version 1"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].kind = static_cast<RowKind>(3); }), Contains("kind"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].tokens = {2, 3}; }), Contains("tokens"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].tokens = {0xFFFFFFFF, 2}; }), Contains("tokens"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].tokens.count = 0; }), Contains("tokens"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].from_previous = 1; }), Contains("one token"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].from_previous = 2; }), Contains("from_previous"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].blocks = {2, 2}; }), Contains("blocks"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].position = 30; }), Contains("positions"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].position = 0xFFFFFFFF; }), Contains("positions"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].sampling = 1; }), Contains("sampling"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].adapter = 1; }), Contains("reserved"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].draft.count = 1; }), Contains("reserved"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.sampling[0].bias.count = 2; }), Contains("bias"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.sampling[0].banned.begin = 1; }), Contains("banned"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.sampling[0].history.count = 0xFFFFFFFF; }), Contains("history"));

  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].pooling = Pooling::kLast; }), Contains("does not embed"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].is_end = 1; }), Contains("does not embed"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[2].pooling = Pooling::kNone; }), Contains("unknown pooling"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[2].pooling = static_cast<Pooling>(3); }), Contains("pooling"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[2].pooling = Pooling::kLast; }), Contains("running sum"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[2].sum = kNoIndex; }), Contains("running sum"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[2].is_end = 2; }), Contains("is_end"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[2].sampling = 0; }), Contains("tokens to come"));

  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[0].targets = {2, 2}; }), Contains("targets outside"));
  REQUIRE_THAT(problem_after([](StepPlan& p) {
                 p.targets.resize(9), p.rows[0].targets = {0, 4};
               }),
               Contains("more targets"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[1].targets = {0, 1}; }), Contains("not known"));
  REQUIRE_THAT(problem_after([](StepPlan& p) { p.rows[2].targets = {0, 1}; }), Contains("row that embeds"));

  auto bytes = encode(example_plan());
  bytes.push_back(0);
  REQUIRE_THAT(decode_step_plan(bytes).error().message, Contains("1 bytes too many"));

  StepResult result = example_result();
  result.rows[0].top.count = 3;
  REQUIRE_FALSE(decode_step_result(encode(result)).ok());
  result = example_result();
  result.rows[2].vector.count = 3;
  REQUIRE_FALSE(decode_step_result(encode(result)).ok());
  result = example_result();
  result.rows[0].scores = {1, 2};
  REQUIRE_FALSE(decode_step_result(encode(result)).ok());
  result = example_result();
  result.scores[0].top = {1, 2};
  REQUIRE_FALSE(decode_step_result(encode(result)).ok());
  result = example_result();
  result.rows[0].outcome = static_cast<RowOutcome>(4);
  REQUIRE_FALSE(decode_step_result(encode(result)).ok());
}

TEST_CASE("step plan that promises more items than it has bytes allocates nothing for them") {
  auto bytes = encode(StepPlan{});
  std::memset(bytes.data() + 16, 0xFF, 4);  // 4 billion rows
  REQUIRE_THAT(decode_step_plan(bytes).error().message, Catch::Contains("cut short"));
}

TEST_CASE("step plan and result cut short anywhere are refused") {
  auto plan = encode(example_plan());
  for (std::size_t size = 0; size < plan.size(); ++size) {
    REQUIRE_FALSE(decode_step_plan(std::span(plan).first(size)).ok());
    decode_plan({plan.begin(), plan.begin() + static_cast<long>(size)});
  }
  auto result = encode(example_result());
  for (std::size_t size = 0; size < result.size(); ++size) {
    REQUIRE_FALSE(decode_step_result(std::span(result).first(size)).ok());
    decode_result({result.begin(), result.begin() + static_cast<long>(size)});
  }
}

TEST_CASE("step plan and result with random bytes changed end in a value or an error") {
  std::mt19937_64 random(20251125);
  auto flip = [&](std::vector<std::uint8_t> bytes) {
    for (auto flips = 1 + random() % 4; flips > 0; --flips)
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    return bytes;
  };
  auto plan = encode(example_plan());
  auto result = encode(example_result());
  for (int i = 0; i < 20000; ++i) {
    decode_plan(flip(plan));
    decode_result(flip(result));
  }
  SUCCEED();
}
