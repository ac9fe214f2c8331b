#include <catch2/catch.hpp>

#include "gpu/host/kernels.hpp"

namespace troupe {

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

TEST_CASE("the scale of scores is log2(e) over the root of the head size and the transform's factor") {
  CHECK(score_scale(64) == static_cast<float>(0.125 * 1.4426950408889634 / 64));
  CHECK(score_scale(96) == Approx(1.4426950408889634 / std::sqrt(96.0) / 32).epsilon(1e-7));
  CHECK(score_scale(256, 0.0625) == static_cast<float>(0.0625 * 1.4426950408889634 / 256));
}

}  // namespace troupe
