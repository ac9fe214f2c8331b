#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <sstream>

#include "gpu/host/kernels.hpp"
#include "test/skip.hpp"

namespace troupe {
namespace {

// What Linux says of the first CPU: "flags" on x86, "Features" on ARM. Empty under an emulator, where it is the host's.
std::vector<std::string> words_of_cpuinfo() {
#if defined(__aarch64__)
  const std::string key = "Features";
#else
  const std::string key = "flags";
#endif
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    return {std::istream_iterator<std::string>(words), {}};
  }
  return {};
}

}  // namespace

TEST_CASE("an instruction set nobody knows is an error that names it and what there is") {
  for (const char* name : {"avx9", "AVX2", " ", "portable "}) {
    const auto kernels = select_kernels(name);
    REQUIRE_FALSE(kernels.ok());
    CHECK(kernels.error().code == ErrorCode::kConfiguration);
    CHECK(kernels.error().message.find("TROUPE_ISA is '" + std::string(name) + "'; this CPU has: portable") == 0);
  }
}

TEST_CASE("the portable kernels are always there, and the best is chosen when none is asked for") {
  CHECK(*select_kernels("portable") == &kPortableKernels);
  const auto best = select_kernels("");
  REQUIRE(best.ok());
  CHECK(select_kernels((*best)->name).ok());
  if (select_kernels("avx2").ok()) CHECK(*best != &kPortableKernels);
}

TEST_CASE("what the CPU has is what the operating system says it has") {
  const std::vector<std::string> words = words_of_cpuinfo();
  if (words.empty()) return test::skip("/proc/cpuinfo does not describe this CPU");
  const auto has = [&](std::initializer_list<const char*> all) {
    return std::all_of(all.begin(), all.end(),
                       [&](const char* word) { return std::find(words.begin(), words.end(), word) != words.end(); });
  };
  const CpuFeatures& cpu = cpu_features();
  CHECK(cpu.avx2 == has({"avx2", "fma", "f16c"}));
  CHECK(cpu.avx_vnni == has({"avx2", "avx_vnni"}));
  CHECK(cpu.avx512 == has({"avx2", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "fma", "f16c"}));
  CHECK(cpu.dot_product == has({"asimddp"}));
  CHECK(cpu.i8mm == has({"i8mm"}));
}

TEST_CASE("a table is chosen only on a CPU that has all of its instructions, and the best of those") {
  const auto best = [](const CpuFeatures& cpu) { return std::string((*select_kernels("", cpu))->name); };
  const auto offers = [](const char* name, const CpuFeatures& cpu) { return select_kernels(name, cpu).ok(); };
  CpuFeatures cpu;
  CHECK(best(cpu) == "portable");
#if defined(__x86_64__)
  cpu.avx_vnni = true;  // without what its kernels take from AVX2
  CHECK(best(cpu) == "portable");
  cpu = {};
  cpu.avx2 = true;
  CHECK(best(cpu) == "avx2");
  CHECK_FALSE(offers("avxvnni", cpu));
  CHECK_FALSE(offers("avx512", cpu));
  cpu.avx_vnni = true;
  CHECK(best(cpu) == "avxvnni");
  CHECK(offers("avx2", cpu));
  cpu.avx512 = true;
  CHECK(best(cpu) == "avx512");
  CHECK(offers("avxvnni", cpu));
  CHECK_FALSE(offers("neon", cpu));
#elif defined(__aarch64__)
  cpu.i8mm = true;  // without what its kernels take from the dot-product extension
  CHECK(best(cpu) == "portable");
  cpu = {};
  cpu.dot_product = true;
  CHECK(best(cpu) == "neon");
  CHECK_FALSE(offers("i8mm", cpu));
  cpu.i8mm = true;
  CHECK(best(cpu) == "i8mm");
  CHECK(offers("neon", cpu));
  CHECK_FALSE(offers("avx2", cpu));
#endif
}

TEST_CASE("the scale of scores is log2(e) over the root of the head size and the transform's factor") {
  CHECK(score_scale(64) == static_cast<float>(0.125 * 1.4426950408889634 / 64));
  CHECK(score_scale(96) == Approx(1.4426950408889634 / std::sqrt(96.0) / 32).epsilon(1e-7));
  CHECK(score_scale(256, 0.0625) == static_cast<float>(0.0625 * 1.4426950408889634 / 256));
}

}  // namespace troupe
