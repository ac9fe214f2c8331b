// Embeddings of the host engine: against the float reference, by hand, and what it does with rows and numbers that are
// wrong. That they do not depend on the batch is a contract's test.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "model/float_reference/float_reference.hpp"
#include "model/host_engine/pooling.hpp"
#include "test/model/golden.hpp"
#include "test/model/step_driver.hpp"
#include "test/model/tiny_model.hpp"
#include "test/skip.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

std::unique_ptr<HostStepRunner> runner_of(std::shared_ptr<const HostModel> model) {
  HostLimits limits;
  limits.rows_max = 4, limits.tokens_max = 64, limits.threads = 2;
  auto runner = HostStepRunner::make(std::move(model), **select_kernels(""), limits, 64);
  REQUIRE(runner.ok());
  return std::move(*runner);
}

std::shared_ptr<const HostModel> model_of(const GgufWriter& file) {
  return load_weights(TemporaryFile(file.bytes()).path());
}

std::vector<float> floats_at_five(std::size_t count, float value) {
  std::vector<float> values(count, 1.0F);
  values[5] = value;
  return values;
}

Bytes bytes_of(const std::vector<float>& values) {
  Bytes bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::vector<double> of_length_one(std::vector<double> vector) {
  double squares = 0.0;
  for (double value : vector) squares += value * value;
  for (double& value : vector) value /= std::sqrt(squares);
  return vector;
}

double largest_difference(const std::vector<float>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  double largest = 0.0;
  for (std::size_t i = 0; i < found.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(found[i]) - expected[i]));
  return largest;
}

}  // namespace

TEST_CASE("pooling adds rows in their order, and its vector has length 1") {
  // In any other order 1 would survive.
  const float rows[] = {1e8F, 3.0F, 0, 0, 1.0F, 4.0F, 0, 0, -1e8F, 5.0F, 0, 0};
  float sum[2] = {0.0F, 0.0F};
  add_rows(rows, 4, 2, 2, sum);
  add_rows(rows + 8, 4, 1, 2, sum);
  CHECK(sum[0] == 0.0F);
  CHECK(sum[1] == 12.0F);

  const float three_four[] = {6.0F, -8.0F};
  float out[2];
  CHECK(unit_vector(three_four, 2, 2, out));
  CHECK(out[0] == 0.6F);
  CHECK(out[1] == -0.8F);
  const float zeros[] = {0.0F, 0.0F};
  CHECK(unit_vector(zeros, 3, 2, out));
  CHECK(out[0] == 0.0F);
  for (float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    const float values[] = {1.0F, bad};
    CHECK_FALSE(unit_vector(values, 1, 2, out));
  }
}

TEST_CASE("the length of a vector is added up in doubles: small values count although there is a large one") {
  std::vector<float> values(4097, 0x1p-13F), out(4097);
  values[0] = 1.0F;  // 1 + 4096 * 2^-26 = 1 + 2^-14; in floats it would stay 1
  REQUIRE(unit_vector(values.data(), 1, 4097, out.data()));
  CHECK(out[0] == static_cast<float>(1.0 / std::sqrt(1.0 + 0x1p-14)));
}

TEST_CASE("a running sum goes on where it ended, or begins anew") {
  SumBooks books(2);
  auto fits = [&](RequestId sequence, std::uint32_t position, std::uint32_t count, std::uint32_t sum) {
    StepRow row;
    row.sequence = sequence, row.position = position, row.tokens.count = count, row.sum = sum;
    return books.book(row);
  };
  books.begin_step();
  CHECK_FALSE(fits(1, 3, 1, 0));  // nobody began it
  CHECK(fits(1, 0, 5, 0));
  CHECK_FALSE(fits(1, 5, 1, 0));  // twice in a step
  books.begin_step();
  CHECK_FALSE(fits(1, 6, 1, 0));  // a gap
  CHECK_FALSE(fits(2, 5, 1, 0));  // somebody else's
  CHECK_FALSE(fits(1, 5, 1, 1));  // another sum
  CHECK(fits(1, 5, 4, 0));
  books.begin_step();
  CHECK(fits(2, 0, 4, 0));  // the sequence before has ended
  books.begin_step();
  CHECK_FALSE(fits(1, 9, 4, 0));
}

TEST_CASE("embeddings of the host engine are the float reference's hidden states, pooled, in every architecture") {
  for (const char* name : {"llama_plain", "llama_l3freqs", "qwen2", "qwen3", "phi3_short", "gemma3"}) {
    INFO(name);
    auto path = shared_file(std::string("golden/") + name + ".gguf");
    if (!path) return skip("no golden/ folder; set TROUPE_SHARED_DIR");
    HostFormats formats;
    formats.kv = KvType::kF16;
    auto runner = runner_of(load_weights(*path, 1, formats));
    auto file = describe_file(*path);
    FloatReference reference(file->description);
    std::vector<TokenId> input = ids(data_file("golden.txt"), std::string(name) + ".prompt");
    std::vector<double> sum(file->description.hyper.hidden_size, 0.0), last;
    for (TokenId token : input) {
      reference.step(token);
      last.assign(reference.hidden_state().begin(), reference.hidden_state().end());
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += last[i];
    }
    std::vector<float> mean_found = embed_alone(*runner, input, Pooling::kMean, 13),
                       last_found = embed_alone(*runner, input, Pooling::kLast, 13);
    // Weights are floats: only K and V are rounded, to 11 bits.
    CHECK(largest_difference(mean_found, of_length_one(sum)) < 1e-3);
    CHECK(largest_difference(last_found, of_length_one(last)) < 1e-3);
    CHECK(largest_difference(mean_found, of_length_one(last)) > 0.02);  // it matters which
  }
}

TEST_CASE("an embedding that is not finite fails its row, and no other, then or later") {
  auto model = model_of(tiny_model_with_nan_token());
  std::vector<TokenId> good = {1, 2, 3, 4}, bad = {1, 7, 2};
  std::vector<float> expected = embed_alone(*runner_of(model), good, Pooling::kMean, 4);

  auto runner = runner_of(model);
  auto plan = std::make_shared<StepPlan>();
  plan->step = 1;
  add_input(*plan, 1, bad, 0, 3, 0, Pooling::kMean, 0);
  add_input(*plan, 2, good, 0, 4, 4, Pooling::kMean, 1);
  add_input(*plan, 3, bad, 0, 2, 8, Pooling::kMean, 2);  // not its end
  StepResult result = run_plan(*runner, plan);
  CHECK(result.rows[0].outcome == RowOutcome::kNotFinite);
  CHECK(vector_of(result, 1) == expected);
  CHECK(result.rows[2].outcome == RowOutcome::kNotFinite);
  // The sum and the blocks of the failed row serve the next owner well.
  auto next = std::make_shared<StepPlan>();
  next->step = 2;
  add_input(*next, 4, good, 0, 4, 0, Pooling::kMean, 0);
  CHECK(vector_of(run_plan(*runner, next), 0) == expected);
}

TEST_CASE("a sum that outgrows its floats fails its row although every hidden state is finite") {
  GgufWriter file = tiny_model({});
  file.without_tensor("output_norm.weight").tensor("output_norm.weight", {64}, 0, bytes_of(floats_at_five(64, 1e38F)));
  auto runner = runner_of(model_of(file));
  std::vector<TokenId> input(200, 3);
  for (std::uint32_t position = 0; position < 200; position += 50) {
    auto plan = std::make_shared<StepPlan>();
    plan->step = position + 1;
    add_input(*plan, 1, input, position, 50, 0, Pooling::kMean, 0);
    StepResult result = run_plan(*runner, plan);
    CHECK(result.rows[0].outcome == (position < 150 ? RowOutcome::kNoToken : RowOutcome::kNotFinite));
  }
  CHECK(embed_alone(*runner, {3}, Pooling::kLast, 1).size() == 64);
}

TEST_CASE("a plan that breaks the rules of embeddings is refused with the reason") {
  auto runner = runner_of(model_of(tiny_model({})));
  struct Fault {
    const char* reason;
    std::function<void(StepRow&)> make;
  };
  RowSampling greedy;
  for (const Fault& fault :
       {Fault{"pooling", [](StepRow& r) { r.pooling = Pooling::kNone; }},
        Fault{"pooling", [](StepRow& r) { r.pooling = static_cast<Pooling>(7); }},
        Fault{"pooling", [](StepRow& r) { r.kind = RowKind::kGenerate; }},
        Fault{"running sum", [](StepRow& r) { r.sum = 4; }}, Fault{"running sum", [](StepRow& r) { r.sum = kNoIndex; }},
        Fault{"running sum", [](StepRow& r) { r.pooling = Pooling::kLast; }},
        Fault{"running sum", [](StepRow& r) { r.position = 1; }},
        Fault{"tokens to come", [](StepRow& r) { r.sampling = 0; }},
        Fault{"tokens to come", [](StepRow& r) { r.is_end = 2; }}}) {
    INFO(fault.reason);
    auto plan = std::make_shared<StepPlan>();
    plan->step = 1;
    plan->sampling = {greedy};
    add_input(*plan, 1, {1, 2, 3}, 0, 3, 0, Pooling::kMean, 0);
    fault.make(plan->rows[0]);
    bool called = false;
    runner->submit(plan, [&](const Result<StepResult>& result) {
      called = true;
      REQUIRE_FALSE(result.ok());
      CHECK_THAT(result.error().message, Catch::Contains(fault.reason));
    });
    CHECK(called);
  }
}
