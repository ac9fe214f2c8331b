// What the host engine says of a prompt's tokens: against the softmax of its own logits in doubles, and the same bits
// whatever the chunks and the company.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "test/model/engine_driver.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::uint32_t kAlternatives = 3;

// A row of `prompt` at [position, position + count), judged.
void add_judged(StepPlan& plan, RequestId sequence, const std::vector<TokenId>& prompt, std::uint32_t position,
                std::uint32_t count, std::uint32_t first_block, const RowSampling* how = nullptr) {
  auto begin = prompt.begin() + position;
  add_row(plan, sequence, position, {begin, begin + count}, first_block, how);
  auto end = std::min<std::uint32_t>(position + count, static_cast<std::uint32_t>(prompt.size()) - 1);
  StepRow& row = plan.rows.back();
  row.targets = {static_cast<std::uint32_t>(plan.targets.size()), end - position};
  row.target_alternatives = kAlternatives;
  plan.targets.insert(plan.targets.end(), begin + 1, prompt.begin() + end + 1);
}

struct Scores {
  std::vector<TokenScore> scores;
  std::vector<TopToken> top;  // kAlternatives each

  void take(const StepResult& result, std::size_t row) {
    REQUIRE(result.rows[row].outcome != RowOutcome::kNotFinite);
    for (TokenScore score : slice_of(result.scores, result.rows[row].scores)) {
      REQUIRE(score.top.count == kAlternatives);
      auto its_top = slice_of(result.top, score.top);
      top.insert(top.end(), its_top.begin(), its_top.end());
      score.top = {};
      scores.push_back(score);
    }
  }
  bool has_bits_of(const Scores& other) const {
    return scores.size() == other.scores.size() && top == other.top &&
           std::memcmp(scores.data(), other.scores.data(), scores.size() * sizeof(TokenScore)) == 0;
  }
};

Scores scores_in_chunks(HostStepRunner& runner, const std::vector<TokenId>& prompt, std::uint32_t chunk) {
  Scores all;
  auto size = static_cast<std::uint32_t>(prompt.size());
  for (std::uint32_t position = 0; position < size; position += chunk) {
    auto plan = std::make_shared<StepPlan>();
    plan->step = position + 1;
    add_judged(*plan, 1, prompt, position, std::min(chunk, size - position), 0);
    all.take(run_plan(runner, plan), 0);
  }
  return all;
}

}  // namespace

TEST_CASE("a prompt's scores are the softmax of the logits before each token, with its rank and the likeliest") {
  auto model = model_of({});
  auto prompt = some_tokens(40, model->hyper.vocab_size);
  auto runner = runner_of(model);
  auto logits = logits_of(*runner, prompt);
  Scores found = scores_in_chunks(*runner, prompt, 16);
  REQUIRE(found.scores.size() == prompt.size() - 1);
  for (std::size_t i = 0; i + 1 < prompt.size(); ++i) {
    const std::vector<float>& row = logits[i];
    auto target = static_cast<std::size_t>(prompt[i + 1]);
    double sum = 0.0;
    for (float value : row) sum += std::exp(static_cast<double>(value));
    double expected = static_cast<double>(row[target]) - std::log(sum);
    CHECK(static_cast<double>(found.scores[i].logprob) == Approx(expected).margin(1e-6));
    auto above = std::count_if(row.begin(), row.end(), [&](float value) { return value > row[target]; });
    CHECK(found.scores[i].rank == static_cast<std::uint32_t>(above) + 1);
    std::vector<float> sorted = row;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    for (std::size_t k = 0; k < kAlternatives; ++k) {
      const TopToken& top = found.top[i * kAlternatives + k];
      CHECK(row[static_cast<std::size_t>(top.token)] == sorted[k]);
    }
  }
}

TEST_CASE("contract 2: a prompt's scores have the same bits in any chunks, in company and through a full head") {
  auto model = model_of({});
  auto prompt = some_tokens(60, model->hyper.vocab_size);
  auto runner = runner_of(model);
  Scores expected = scores_in_chunks(*runner, prompt, 1);
  for (std::uint32_t chunk : {7U, 16U, 60U}) {
    CAPTURE(chunk);
    CHECK(scores_in_chunks(*runner, prompt, chunk).has_bits_of(expected));
  }
  RowSampling greedy;
  greedy.logprobs = 5;
  auto plan = std::make_shared<StepPlan>();
  add_row(*plan, 2, 0, {1, 2}, 20, &greedy);
  add_judged(*plan, 1, prompt, 0, 60, 0, &greedy);
  add_row(*plan, 3, 0, {3}, 30, &greedy);
  StepResult result = run_plan(*runner, plan);
  Scores in_company;
  in_company.take(result, 1);
  CHECK(in_company.has_bits_of(expected));
  CHECK(result.rows[1].outcome == RowOutcome::kSampled);
  CHECK(result.rows[0].scores.count == 0);
  CHECK(result.rows[0].top.count == 5);
}

TEST_CASE("contract 8: a prompt with logits that are not finite fails its row, and no other") {
  auto model = load_weights(TemporaryFile(tiny_model_with_nan_token().bytes()).path());
  auto runner = runner_of(model);
  std::vector<TokenId> good = {1, 2, 3, 4};
  Scores expected = scores_in_chunks(*runner, good, 4);
  auto plan = std::make_shared<StepPlan>();
  add_judged(*plan, 1, {1, 7, 2}, 0, 3, 20);
  add_judged(*plan, 2, good, 0, 4, 0);
  StepResult result = run_plan(*runner, plan);
  CHECK(result.rows[0].outcome == RowOutcome::kNotFinite);
  CHECK(result.rows[0].scores.count == 0);
  Scores other;
  other.take(result, 1);
  CHECK(other.has_bits_of(expected));
}

TEST_CASE("targets that are none are an error of the plan") {
  auto model = model_of({});
  auto runner = runner_of(model);
  auto refuses = [&](auto spoil) {
    auto plan = std::make_shared<StepPlan>();
    plan->step = 1;
    add_judged(*plan, 1, {1, 2, 3, 4}, 0, 4, 0);
    spoil(*plan);
    bool failed = false;
    runner->submit(plan, [&](const Result<StepResult>& result) { failed = !result.ok(); });
    return failed;
  };
  CHECK_FALSE(refuses([](StepPlan&) {}));
  CHECK(refuses([](StepPlan& plan) { plan.targets[1] = -1; }));
  CHECK(refuses([&](StepPlan& plan) { plan.targets[1] = static_cast<TokenId>(model->hyper.vocab_size); }));
  CHECK(refuses([](StepPlan& plan) { plan.rows[0].targets.begin = 1; }));
  CHECK(refuses([](StepPlan& plan) { plan.rows[0].targets.count = 5, plan.targets.resize(5, 1); }));
}
