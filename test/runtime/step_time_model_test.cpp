#include "runtime/step_time_model.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

using namespace troupe;

namespace {

// A device that is exactly what the model assumes: 3 ms a step, 0.4 a prompt position, 0.6 a sequence, ...
double device_ms(const StepShape& step) {
  return 3 + 0.4 * step.prefill + 0.6 * step.seqs + 4e-4 * step.context + 5e-5 * step.pairs;
}

StepShape random_step(std::mt19937_64& random) {
  StepShape step;
  step.seqs = static_cast<double>(random() % 32);
  step.context = step.seqs * static_cast<double>(random() % 2000);
  if (random() % 2 == 0) {
    step.prefill = static_cast<double>(random() % 256);
    step.pairs = step.prefill * static_cast<double>(random() % 1000);
  }
  return step;
}

StepTimeModel learnt(double slower = 1.0, int steps = 3000) {
  StepTimeModel model;
  std::mt19937_64 random(7);
  for (int i = 0; i < steps; ++i) {
    StepShape step = random_step(random);
    model.observe(step, slower * device_ms(step));
  }
  return model;
}

double worst_error(const StepTimeModel& model, double slower = 1.0) {
  std::mt19937_64 random(99);
  double worst = 0;
  for (int i = 0; i < 200; ++i) {
    StepShape step = random_step(random);
    worst = std::max(worst, std::fabs(model.predict_ms(step) / (slower * device_ms(step)) - 1));
  }
  return worst;
}

}  // namespace

TEST_CASE("D1: the step-time model learns a device from its steps") {
  CHECK(worst_error(learnt()) < 0.02);
  CHECK(worst_error(learnt(40.0), 40.0) < 0.05);  // a prior that was wrong by 40x
}

TEST_CASE("D1: predictions grow with each feature and never fall below zero") {
  StepTimeModel model = learnt();
  StepShape step{64, 8, 4000, 20000};
  double before = model.predict_ms(step);
  CHECK(model.predict_ms({65, 8, 4000, 20000}) > before);
  CHECK(model.predict_ms({64, 9, 4000, 20000}) > before);
  CHECK(model.predict_ms({64, 8, 5000, 20000}) > before);
  CHECK(model.predict_ms({64, 8, 4000, 30000}) > before);
  for (double coefficient : model.coefficients_ms()) CHECK(coefficient > 0);
}

TEST_CASE("D1: a step that cost a hundred times as much moves the model by less than 10 %") {
  StepTimeModel model = learnt();
  StepShape step{64, 8, 4000, 20000};
  double before = model.predict_ms(step);
  model.observe(step, 100 * before);
  CHECK(model.predict_ms(step) / before < 1.10);
}

TEST_CASE("D1: a cost that doubles for good is followed within 40 steps") {
  StepTimeModel model = learnt();
  std::mt19937_64 random(3);
  for (int i = 0; i < 40; ++i) {
    StepShape step = random_step(random);
    model.observe(step, 2 * device_ms(step));
  }
  CHECK(worst_error(model, 2.0) < 0.10);
}

TEST_CASE("D1: a million equal steps change nothing by more than 1 % and keep the doubt bounded") {
  StepTimeModel model = learnt();
  StepShape step{0, 8, 4000, 0};
  double before = model.predict_ms(step);
  for (int i = 0; i < 1'000'000; ++i) model.observe(step, device_ms(step));
  CHECK(model.predict_ms(step) == Approx(before).epsilon(0.01));
  for (int i = 0; i < StepTimeModel::kFeatures; ++i) CHECK(model.doubt(i) <= model.doubt_max(i));
}

TEST_CASE("times that are no times are ignored") {
  StepTimeModel model = learnt();
  StepShape step{64, 8, 4000, 20000};
  double before = model.predict_ms(step);
  for (double ms : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) model.observe(step, ms);
  CHECK(model.predict_ms(step) == before);
}

TEST_CASE("the chunk that fits into a time takes that time") {
  StepTimeModel model = learnt();
  StepShape decode{0, 8, 4000, 0};
  for (double before : {0.0, 500.0, 3000.0}) {
    double fits = model.prefill_within(60, decode, before, 1e9);
    StepShape with = decode, more = decode;
    with.prefill = fits, with.pairs = fits * (before + fits / 2);
    more.prefill = fits + 1, more.pairs = (fits + 1) * (before + (fits + 1) / 2);
    CHECK(model.predict_ms(with) <= 60);
    CHECK(model.predict_ms(more) > 60);
  }
  CHECK(model.prefill_within(60, decode, 0, 5) == 5);
  CHECK(model.prefill_within(1, decode, 0, 100) == 0);
}

TEST_CASE("the spread grows with the noise of the steps") {
  auto spread_at = [](double sigma) {
    StepTimeModel model = learnt();
    std::mt19937_64 random(5);
    std::normal_distribution<double> normal;
    for (int i = 0; i < 2000; ++i) {
      StepShape step = random_step(random);
      model.observe(step, device_ms(step) * std::exp(sigma * normal(random)));
    }
    return model.spread();
  };
  CHECK(spread_at(0.05) == Approx(std::exp(3.3 * 0.05)).epsilon(0.1));
  CHECK(spread_at(0.15) == Approx(std::exp(3.3 * 0.15)).epsilon(0.2));
}
