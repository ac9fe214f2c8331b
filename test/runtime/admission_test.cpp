#include "runtime/admission.hpp"

#include <catch2/catch.hpp>

using namespace troupe;

namespace {

// 1 ms a step and 0.5 a prompt position: the rate is 2 positions a ms when nobody decodes.
BatchWindow learnt_window(Slo slo) {
  BatchWindow window(slo, {});
  for (int i = 0; i < 3000; ++i) {
    StepShape step{double(i % 200), double(i % 7), 0, 0};
    window.observe_step(step, 1 + 0.5 * step.prefill + 0.5 * step.seqs, 0, 0);
  }
  return window;
}

}  // namespace

TEST_CASE("D7: the predicted first token is what is ahead and itself, at the rate of the machine") {
  BatchWindow window = learnt_window({400, 1, 50});
  Admission admission(window);
  CHECK(admission.predict_ms({}, 100, {}) == Approx(50).epsilon(0.1));
  CHECK(admission.predict_ms({}, 100, {700, 3, 0}) == Approx(400).epsilon(0.1));
}

TEST_CASE("D7: who cannot be in time is refused, and by how much it was late is known") {
  BatchWindow window = learnt_window({400, 1, 50});
  Admission admission(window);
  Ahead ahead{20'000, 40, 20'000};  // ten seconds of prompts of its class
  double predicted = admission.predict_ms({}, 100, ahead);
  CHECK_FALSE(admission.admits({}, 100, ahead, predicted, 500));
  CHECK_FALSE(admission.admits({}, 100, ahead, 501, 500));
  CHECK(admission.admits({}, 100, ahead, 499, 500));
  CHECK(admission.admits({}, 100, {200, 1, 200}, admission.predict_ms({}, 100, {200, 1, 200}), 500));
  CHECK(admission.excess_ms(100, predicted, 500) == Approx(predicted - 500));
  CHECK(predicted == Approx(10'000).epsilon(0.1));
  CHECK(admission.excess_ms(100, 300, 500) == 0);
}

TEST_CASE("without a promise nobody is refused") {
  BatchWindow window = learnt_window({});
  Admission admission(window);
  CHECK(admission.admits({}, 100, {1e6, 1000, 1e6}, 1e9, 0));
}

TEST_CASE("D7: a class of long prompts is admitted at a tenth of the capacity, late or not, and no faster") {
  BatchWindow window = learnt_window({400, 1, 50});
  Admission admission(window);
  Ahead rush{200'000, 10, 0};  // 100 s of short prompts
  int admitted = 0;
  constexpr int kSeconds = 600;
  for (int i = 0; i < kSeconds; ++i) {  // a prompt of 1000 positions a second, and 2000 can be computed in it
    admission.observe_arrival(1000, 1000);
    if (admission.admits({}, 1000, rush, 100'000, 1400)) ++admitted;
  }
  double share = admitted * 1000.0 / (kSeconds * 2000.0);
  CHECK(share > 0.08);
  CHECK(share <= 0.105);
  rush.sequences = 40;  // no place among the sequences
  for (int i = 0; i < 100; ++i) {
    admission.observe_arrival(1000, 1000);
    CHECK_FALSE(admission.admits({}, 1000, rush, 100'000, 1400));
  }
}

TEST_CASE("D7: doubt grows with first tokens that were late and fades with refusals") {
  BatchWindow window = learnt_window({400, 1, 50});
  Admission admission(window);
  for (int i = 0; i < 100; ++i) admission.observe_first_token(100, 100, 900, 500);
  CHECK(admission.doubt(0) == 3.0);
  CHECK(admission.doubt(1) == 1.0);
  for (int i = 0; i < 3000; ++i) admission.observe_refused(100);
  CHECK(admission.doubt(0) == Approx(1.0).margin(0.01));
  for (int i = 0; i < 10'000; ++i) admission.observe_first_token(100, 200, 200, 500);
  CHECK(admission.doubt(0) == 0.8);
}

TEST_CASE("D6: a prompt that would take longer than is left is not attainable") {
  BatchWindow window = learnt_window({400, 1, 50});
  Admission admission(window);
  CHECK(admission.is_attainable({}, 100, 60));
  CHECK_FALSE(admission.is_attainable({}, 100, 40));
}
