// Contract 7: from submit to done a runner allocates nothing, whatever the step holds.
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "test/model/allocation_counter.hpp"
#include "test/model/golden.hpp"
#include "test/model/step_driver.hpp"
#include "test/model/tiny_model.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

// A thread that only just starts still allocates in the C library (and in ASan): waits until it runs our code, which
// begins with its name.
bool has_started(const std::string& thread_name) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < deadline) {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::string name;
      std::getline(std::ifstream(task.path() / "comm"), name);
      if (name == thread_name) return true;
    }
    std::this_thread::yield();
  }
  return false;
}

Allocations allocations_of(StepRunner& runner, const std::shared_ptr<const StepPlan>& plan) {
  std::size_t rows = 0;
  StepRunner::Done done = [&rows](const Result<StepResult>& result) { rows = result->rows.size(); };
  start_counting();
  runner.submit(plan, std::move(done));
  Allocations allocations = stop_counting();
  CHECK(rows == plan->rows.size());
  return allocations;
}

}  // namespace

TEST_CASE("contract 7: a step allocates nothing") {
  // Codes alone, the separate matrices of a mixed file, floats.
  for (auto [type, value_type] : {std::pair{DType::kQ4_1, DType::kQ4_1}, std::pair{DType::kQ4_1, DType::kQ8_0},
                                  std::pair{DType::kQ4_1, DType::kF16}, std::pair{DType::kF32, DType::kF32}}) {
    TinyShape shape;
    shape.type = type, shape.value_type = value_type;
    TemporaryFile file(tiny_model(shape).bytes());
    HostLimits limits;
    limits.threads = 2, limits.rows_max = 8, limits.tokens_max = 128;
    auto profiler = std::make_shared<Profiler>();
    auto runner = HostStepRunner::make(load_weights(file.path()), **select_kernels(""), limits, 128, profiler);
    REQUIRE(runner.ok());
    REQUIRE(has_started("compute-1"));

    RowSampling greedy, sampled, everything;
    sampled.temperature = 0.8F, sampled.top_p = 0.9F, sampled.top_k = 40;
    everything = sampled;
    everything.repetition_penalty = 1.1F, everything.frequency_penalty = 0.5F, everything.logprobs = 20;
    everything.bias = {0, 1}, everything.banned = {0, 1}, everything.history = {0, 2};
    Profile profile;
    for (std::uint32_t step = 0; step < 6; ++step) {
      if (step == 4)  // the last two are profiled; the profile is handed over after the second
        REQUIRE(profiler->start(2, [&](Result<Profile> whole) { profile = std::move(whole).value(); }).ok());
      auto plan = std::make_shared<StepPlan>();
      plan->step = step + 1;
      plan->flags = step % 2 == 0 ? kHashLogits : 0;
      std::vector<TokenId> chunk(100 - step * 15, 5);
      add_row(*plan, 1, 0, chunk, 0, step % 2 == 0 ? &sampled : nullptr);
      add_row(*plan, 2, 300 + step, {1}, 10, &greedy);
      add_row(*plan, 3, step, {2}, 40, &everything);
      add_row(*plan, 4, 17, {3, 4, 5}, 50, &sampled);
      std::vector<TokenId> input(40, 6);  // a mean in chunks, its end in the last one; and a last position each time
      add_input(*plan, 5, input, step == 0 ? 0 : 3 + step, step == 0 ? 4 : step == 5 ? 32 : 1, 60, Pooling::kMean, 3);
      add_input(*plan, 6, input, 39, 1, 70, Pooling::kLast, 0);
      plan->targets = {5, 1, 2};  // of the row at position 17
      plan->rows[3].targets = {0, 3}, plan->rows[3].target_alternatives = 20;
      plan->bias = {{3, 1.0F}};
      plan->banned = {4};
      plan->history = {{1, 2, 1}, {2, 0, 1}};
      CHECK(allocations_of(**runner, plan).count == 0);
    }
    CHECK(profile.spans.size() > 2 * 2 * 8);
  }
}

TEST_CASE("the allocation counter sees an allocation") {
  start_counting();
  auto* value = new std::vector<int>(1000);
  Allocations allocations = stop_counting();
  CHECK(value->size() == 1000);
  delete value;
  CHECK(allocations.count == 2);
  CHECK(allocations.largest == 1000 * sizeof(int));
}
