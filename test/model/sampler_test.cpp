#include "model/sampler/sampler.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include "model/sampler/candidates.hpp"
#include "model/sampler/logarithm.hpp"
#include "model/sampler/philox.hpp"

using namespace troupe;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_logits(std::size_t count, float deviation, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.0F, deviation);
  std::vector<float> logits(count);
  for (float& logit : logits) logit = normal(random);
  return logits;
}

Sampled sample(const std::vector<float>& logits, const SamplingInput& input, std::span<TopToken> top = {}) {
  return Sampler(static_cast<std::uint32_t>(logits.size()), kPortableKernels)
      .sample(logits, logits.empty() ? LogitsPeak{} : peak_of(kPortableKernels, logits), input, top);
}

RowSampling at_temperature(float temperature) {
  RowSampling how;
  how.temperature = temperature;
  return how;
}

// Locally typical sampling by its definition: the tokens whose -ln p is nearest to the entropy.
void keep_typical_only(std::vector<double>& p, double typical_p) {
  double entropy = 0.0, passed = 0.0, total = 0.0;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] <= 0.0) continue;
    entropy -= p[i] * std::log(p[i]);
    order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::abs(-std::log(p[a]) - entropy) < std::abs(-std::log(p[b]) - entropy);
  });
  std::vector<double> kept(p.size(), 0.0);
  for (std::size_t i = 0; i < order.size() && (i == 0 || passed < typical_p); ++i) {
    kept[order[i]] = p[order[i]];
    passed += p[order[i]];
  }
  for (double value : kept) total += value;
  for (std::size_t i = 0; i < p.size(); ++i) p[i] = kept[i] / total;
}

// The distribution a request asks for, in doubles: temperature, min_p, top_k, top_p, typical_p in this order.
std::vector<double> reference_distribution(const std::vector<float>& logits, const RowSampling& how) {
  std::vector<double> p(logits.size());
  double max = *std::max_element(logits.begin(), logits.end());
  for (std::size_t i = 0; i < p.size(); ++i)
    p[i] = std::exp((static_cast<double>(logits[i]) - max) / static_cast<double>(how.temperature));
  for (double& value : p)
    if (value < static_cast<double>(how.min_p)) value = 0.0;
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
  for (std::size_t i = how.top_k > 0 ? how.top_k : p.size(); i < p.size(); ++i) p[order[i]] = 0.0;
  double total = std::accumulate(p.begin(), p.end(), 0.0), passed = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (i > 0 && passed >= total * static_cast<double>(how.top_p)) p[order[i]] = 0.0;
    passed += p[order[i]];
  }
  total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= total;
  if (how.typical_p < 1.0F) keep_typical_only(p, static_cast<double>(how.typical_p));
  return p;
}

// Pearson's statistic of `draws` draws, cells of fewer than 5 expected put together; and its degrees of freedom.
std::pair<double, int> chi_square(const std::vector<float>& logits, RowSampling how, int draws) {
  std::vector<double> p = reference_distribution(logits, how);
  std::vector<int> seen(p.size());
  Sampler sampler(static_cast<std::uint32_t>(logits.size()), kPortableKernels);
  for (int i = 0; i < draws; ++i) {
    how.position = static_cast<std::uint32_t>(i);
    SamplingInput input{how, {}, {}, {}, -1};
    ++seen[sampler.sample(logits, peak_of(kPortableKernels, logits), input, {}).token];
  }
  double statistic = 0.0, rest_expected = 0.0, rest_seen = 0.0;
  int cells = 0;
  auto add = [&](double expected, double observed) {
    statistic += (observed - expected) * (observed - expected) / expected;
    ++cells;
  };
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] * draws >= 5.0) {
      add(p[i] * draws, seen[i]);
      continue;
    }
    rest_expected += p[i] * draws;
    rest_seen += seen[i];
  }
  if (rest_expected >= 5.0)
    add(rest_expected, rest_seen);
  else
    CHECK(rest_seen <= rest_expected + 20.0);  // and what has no chance was not drawn often
  return {statistic, cells - 1};
}

}  // namespace

TEST_CASE("philox gives the known answers of its authors") {
  CHECK(philox4x32(0, 0, 0) == std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32(~0ULL, ~0ULL, ~0ULL) ==
        std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e) ==
        std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  CHECK(random_bits(0, 0, 0) == 0xe169c58d6627e8d5);
  CHECK(random_bits(1, 0, 0) != random_bits(0, 0, 0));
  CHECK(random_bits(0, 1, 0) != random_bits(0, 0, 1));
}

TEST_CASE("exact_ln agrees with the C library") {
  for (double x : {1.0, 0.5, 2.0, 1.0000001, 0.70710678, 1.41421357, 3.0, 49152.0, 1e-30, 1e30}) {
    INFO(x);
    CHECK(std::abs(exact_ln(x) - std::log(x)) <= 1e-15 * (1.0 + std::abs(std::log(x))) * 4);
  }
}

TEST_CASE("greedy sampling takes the lowest index of the highest logits") {
  CHECK(sample({1, 3, 2, 3}, {at_temperature(0), {}, {}, {}, -1}).token == 1);
  CHECK(sample({-5, -5, -5}, {at_temperature(0), {}, {}, {}, -1}).token == 0);
  CHECK(sample({-5, -4, -5}, {at_temperature(1e-6F), {}, {}, {}, -1}).token == 1);
}

TEST_CASE("greedy sampling obeys bias, bans and penalties") {
  std::vector<float> logits = {4, 3, 2};
  RowSampling how = at_temperature(0);
  std::vector<TokenBias> bias = {{2, 5.0F}};
  std::vector<TokenId> banned = {0};
  CHECK(sample(logits, {how, bias, {}, {}, -1}).token == 2);
  CHECK(sample(logits, {how, {}, banned, {}, -1}).token == 1);
  how.presence_penalty = 1.5F;
  std::vector<TokenHistory> history = {{0, 1, 0}};
  CHECK(sample(logits, {how, {}, {}, history, -1}).token == 1);
  CHECK(sample(logits, {how, {}, {}, {}, 0}).token == 1);
}

TEST_CASE("penalties are one defined operation after the other") {
  RowSampling how;
  how.repetition_penalty = 2.0F;
  how.frequency_penalty = 0.5F;
  how.presence_penalty = 0.25F;
  std::vector<TokenHistory> history = {{0, 0, 1}, {1, 3, 0}, {2, 1, 1}, {99, 4, 0}, {-1, 1, 0}};
  std::vector<TokenBias> bias = {{3, -1.0F}, {1234, 1.0F}};
  std::vector<TokenId> banned = {4, -7};
  std::vector<float> logits = {8, 8, -8, 5, 9, 1};
  adjust_logits({how, bias, banned, history, 2}, logits);
  CHECK(logits[0] == 4.0F);                   // prompt only: divided
  CHECK(logits[1] == 4.0F - 1.5F - 0.25F);    // three times in the output
  CHECK(logits[2] == -16.0F - 1.0F - 0.25F);  // negative: multiplied; once, and once in the step before
  CHECK(logits[3] == 4.0F);                   // bias only
  CHECK(logits[4] == -kInfinity);
  CHECK(logits[5] == 1.0F);
  std::vector<float> fresh = {8, 1};
  adjust_logits({how, {}, {}, {}, 0}, fresh);
  CHECK(fresh[0] == 4.0F - 0.5F - 0.25F);  // only the step before knows it
}

TEST_CASE("sampling fails a row whose logits are not finite or all banned") {
  RowSampling how = at_temperature(1);
  CHECK(sample({0, std::nanf(""), 1}, {how, {}, {}, {}, -1}).outcome == RowOutcome::kNotFinite);
  CHECK(sample({0, kInfinity, 1}, {how, {}, {}, {}, -1}).outcome == RowOutcome::kNotFinite);
  CHECK(sample({0, -kInfinity, 1}, {at_temperature(0), {}, {}, {}, -1}).outcome == RowOutcome::kNotFinite);
  std::vector<TokenId> all = {0, 1, 2};
  CHECK(sample({0, 1, 2}, {how, {}, all, {}, -1}).outcome == RowOutcome::kNotFinite);
  CHECK(sample({0, 1, 2}, {at_temperature(0), {}, all, {}, -1}).outcome == RowOutcome::kNotFinite);
}

TEST_CASE("filters at their ends leave the best token") {
  std::vector<float> logits = random_logits(1000, 3.0F, 5);
  TokenId best = static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  for (std::uint32_t position = 0; position < 50; ++position) {
    RowSampling how = at_temperature(1.5F);
    how.position = position;
    RowSampling one = how, nucleus = how, zero = how, peak = how, cold = how;
    one.top_k = 1, nucleus.top_p = 1e-6F, zero.top_p = 0.0F, peak.min_p = 1.0F, cold.temperature = 1e-4F;
    for (const RowSampling& row : {one, nucleus, zero, peak, cold})
      CHECK(sample(logits, {row, {}, {}, {}, -1}).token == best);
  }
}

TEST_CASE("banned tokens are never drawn, however high the temperature") {
  std::vector<float> logits(10, 1.0F);
  std::vector<TokenId> banned = {0, 1, 2, 3, 4, 5, 6, 8, 9};
  for (std::uint32_t position = 0; position < 100; ++position) {
    RowSampling how = at_temperature(1000.0F);
    how.position = position;
    CHECK(sample(logits, {how, {}, banned, {}, -1}).token == 7);
  }
}

TEST_CASE("sampled tokens follow the distribution that was asked for") {
  struct Case {
    float temperature;
    std::uint32_t top_k;
    float top_p, min_p, typical_p = 1.0F;
  };
  std::vector<float> logits = random_logits(300, 2.0F, 11);
  for (Case c :
       {Case{1.0F, 0, 1.0F, 0.0F}, Case{0.7F, 0, 1.0F, 0.0F}, Case{1.3F, 20, 1.0F, 0.0F}, Case{1.0F, 0, 0.9F, 0.0F},
        Case{1.0F, 0, 1.0F, 0.05F}, Case{0.8F, 40, 0.95F, 0.02F}, Case{2.0F, 0, 0.5F, 0.0F},
        Case{1.0F, 0, 1.0F, 0.0F, 0.5F}, Case{1.0F, 0, 1.0F, 0.0F, 0.9F}, Case{1.2F, 50, 0.97F, 0.0F, 0.7F}}) {
    INFO(c.temperature << " top_k " << c.top_k << " top_p " << c.top_p << " min_p " << c.min_p << " typical_p "
                       << c.typical_p);
    RowSampling how;
    how.temperature = c.temperature, how.top_k = c.top_k, how.top_p = c.top_p, how.min_p = c.min_p;
    how.typical_p = c.typical_p;
    how.seed = 77;
    auto [statistic, freedom] = chi_square(logits, how, 20000);
    CHECK(statistic < freedom + 4.0 * std::sqrt(2.0 * freedom) + 4.0);  // about four sigma
    CHECK(statistic > freedom - 4.0 * std::sqrt(2.0 * freedom) - 4.0);
  }
}

TEST_CASE("a token is a pure function of logits, parameters, seed, choice and position") {
  std::vector<float> logits = random_logits(500, 1.0F, 3);
  Sampler used(500, kPortableKernels);
  std::map<TokenId, int> by_seed, by_choice, by_position;
  for (std::uint32_t i = 0; i < 40; ++i) {
    RowSampling how = at_temperature(1);
    how.seed = i;
    TokenId token = used.sample(logits, peak_of(kPortableKernels, logits), {how, {}, {}, {}, -1}, {}).token;
    CHECK(sample(logits, {how, {}, {}, {}, -1}).token == token);
    ++by_seed[token];
    how.seed = 0, how.choice = i;
    ++by_choice[used.sample(logits, peak_of(kPortableKernels, logits), {how, {}, {}, {}, -1}, {}).token];
    how.choice = 0, how.position = i;
    ++by_position[used.sample(logits, peak_of(kPortableKernels, logits), {how, {}, {}, {}, -1}, {}).token];
  }
  CHECK(by_seed.size() > 20);
  CHECK(by_choice.size() > 20);
  CHECK(by_position.size() > 20);
}

TEST_CASE("log-probabilities are those of the raw distribution") {
  std::vector<float> logits = random_logits(400, 3.0F, 9);
  double sum = 0.0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit));
  RowSampling how = at_temperature(0.3F);
  how.logprobs = 5;
  std::vector<TokenBias> bias = {{17, 50.0F}};
  std::vector<TopToken> top(5);
  Sampled sampled = sample(logits, {how, bias, {}, {}, -1}, top);
  CHECK(sampled.token == 17);
  CHECK(static_cast<double>(sampled.logprob) == Approx(static_cast<double>(logits[17]) - std::log(sum)).margin(1e-6));
  REQUIRE(sampled.top_count == 5);
  std::vector<float> sorted = logits;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(logits[top[i].token] == sorted[i]);
    CHECK(static_cast<double>(top[i].logprob) == Approx(static_cast<double>(sorted[i]) - std::log(sum)).margin(1e-6));
  }
}

TEST_CASE("equal alternatives are listed by index, and no more than there are") {
  RowSampling how = at_temperature(0);
  how.logprobs = 20;
  std::vector<TopToken> top(20);
  Sampled sampled = sample({1, 2, 2, 1}, {how, {}, {}, {}, -1}, top);
  REQUIRE(sampled.top_count == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(top[i].token == std::vector<TokenId>{1, 2, 0, 3}[i]);
  how.logprobs = 0;
  sampled = sample({0, 0}, {how, {}, {}, {}, -1}, {});
  CHECK(sampled.top_count == 0);
  CHECK(static_cast<double>(sampled.logprob) == Approx(-std::log(2.0)).margin(1e-7));
}

TEST_CASE("candidates come in the order of a full sort") {
  std::mt19937 random(1);
  std::vector<std::uint32_t> weights(5000);
  for (std::uint32_t& weight : weights) weight = random() % 3000;  // many equal ones
  std::vector<std::uint64_t> storage(weights.size());
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < weights.size(); ++i)
    if (weights[i] >= 10) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return weights[a] > weights[b]; });
  Candidates candidates(weights, 10, storage);
  REQUIRE(candidates.size() == order.size());
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    REQUIRE(candidates.token(i) == order[i]);
    REQUIRE(candidates.weight(i) == weights[order[i]]);
    total += weights[order[i]];
  }
  CHECK(candidates.total() == total);
}
