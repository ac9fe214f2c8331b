// Catch2's main, compiled once for every test binary. A test that cannot run here (no model, no network) calls
// troupe::test::skip() and the binary exits with 77, which ctest reports as skipped, never as passed.
#define CATCH_CONFIG_RUNNER
#include "test/skip.hpp"

#include <catch2/catch.hpp>

namespace troupe::test {
namespace {
bool skipped = false;
}

void skip(const std::string& reason) {
  skipped = true;
  std::printf("SKIPPED: %s\n", reason.c_str());
}
}  // namespace troupe::test

int main(int argc, char** argv) {
  int failed = Catch::Session().run(argc, argv);
  if (failed == 0 && troupe::test::skipped) return 77;
  return failed == 0 ? 0 : 1;
}
