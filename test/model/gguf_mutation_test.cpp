// Ten thousand mutants of valid model files. Each must load or be refused with a clear error: no signal, no hang, and
// no more memory than the valid file takes.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "test/model/allocation_counter.hpp"
#include "test/model/checked_load.hpp"
#include "test/model/gguf_mutator.hpp"
#include "test/model/golden.hpp"
#include "test/model/tiny_model.hpp"
#include "test/skip.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kMutantsOfTiny = 2000;  // the sanitizers see what is wrong, the release tree goes through all of them
constexpr int kMutantsOfGolden = 250;
#else
constexpr int kMutantsOfTiny = 6000;
constexpr int kMutantsOfGolden = 600;
#endif
constexpr unsigned kHangSeconds = 20;  // one mutant may take: beyond it the alarm ends the test
constexpr auto kSlow = std::chrono::seconds(5);

// What a refusal may take beyond a valid load: its message, and a header that a mutant made longer.
constexpr std::size_t kMoreMemoryMax = 8U << 10;

std::uint64_t seed_of_run() {
  const char* given = std::getenv("TROUPE_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 20260101;
}

struct Outcome {
  Status status;
  std::size_t peak = 0;
  std::chrono::nanoseconds time{};
};

Outcome load(const Bytes& file) {
  auto begin = std::chrono::steady_clock::now();
  alarm(kHangSeconds);
  start_counting();
  Outcome outcome;
  outcome.status = checked_load(file, false);
  outcome.peak = stop_counting().peak;
  alarm(0);
  outcome.time = std::chrono::steady_clock::now() - begin;
  return outcome;
}

struct Tally {
  int loaded = 0, refused = 0;
  std::size_t peak = 0;
  std::chrono::nanoseconds slowest{};
};

Tally try_mutants(const std::string& name, const Bytes& file, int count) {
  std::uint64_t seed = seed_of_run();
  const GgufMap map = map_of(file);
  load(file);  // once for what is made on first use
  const Outcome valid = load(file);
  std::mt19937_64 random(seed);
  Tally tally;
  for (int mutant = 0; mutant < count; ++mutant) {
    const Bytes bytes = mutant_of(file, map, random);
    const Outcome outcome = load(bytes);
    tally.loaded += outcome.status.ok();
    tally.refused += !outcome.status.ok();
    tally.peak = std::max(tally.peak, outcome.peak);
    tally.slowest = std::max(tally.slowest, outcome.time);
    INFO("TROUPE_SEED=" << seed << ", " << name << ", mutant " << mutant);
    INFO((outcome.status.ok() ? std::string("loaded") : outcome.status.error().message));
    CHECK(is_clear(outcome.status));
    CHECK(outcome.peak <= valid.peak + kMoreMemoryMax);
    CHECK(outcome.time < kSlow);
  }
  WARN(name << (valid.status.ok() ? "" : " (" + valid.status.error().message + ")") << ": " << tally.loaded
            << " mutants loaded, " << tally.refused << " refused; at most " << tally.peak << " bytes, the valid file "
            << valid.peak << "; the slowest " << tally.slowest.count() / 1000 << " us");
  return tally;
}

}  // namespace

TEST_CASE("mutants of a model file with a tokenizer load or are refused clearly, with no more memory") {
  TinyShape shape;
  shape.layers = 1;
  shape.hidden = 32;
  shape.head_dim = 16;
  shape.intermediate = 32;
  const Bytes file = tiny_model_with_tokenizer(shape).bytes();
  REQUIRE(checked_load(file, false).ok());
  Tally tally = try_mutants("tiny", file, kMutantsOfTiny);
  CHECK(tally.loaded > 0);
  CHECK(tally.loaded < kMutantsOfTiny / 2);
}

TEST_CASE("mutants of the golden model files load or are refused clearly, with no more memory") {
  int bases = 0;
  for (const char* name : {"llama_plain", "llama_l3freqs", "llama_legacy_linear", "qwen2", "qwen3", "phi3_short",
                           "gemma3_noswa", "gemma3"}) {
    auto path = shared_file(std::string("golden/") + name + ".gguf");
    if (!path) continue;
    std::ifstream in(*path, std::ios::binary);
    const Bytes file{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    Tally tally = try_mutants(name, file, kMutantsOfGolden);
    CHECK(tally.refused > 0);
    ++bases;
  }
  if (bases == 0) return skip("no golden model files");
}
