// A model file: its header, the description of its model, the memory plan, the tokenizer.
#include <vector>

#include "runtime/check.hpp"
#include "test/model/checked_load.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace troupe;
  const std::vector<std::uint8_t> file(bytes, bytes + size);  // aligned as a mapped file is, and ends where it ends
  TROUPE_CHECK(test::is_clear(test::checked_load(file, true)), "a file is loaded or refused with a clear error");
  return 0;
}
