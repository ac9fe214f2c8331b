#pragma once
// Everything the loader does with a model file that is not trusted, from its bytes to packed weights.
#include <cstdint>
#include <span>

#include "runtime/result.hpp"

namespace troupe::test {

// The header, the description, the memory plan and, when the file has one, the tokenizer with its codec; then, unless
// `header_only`, the weights. The context is limited, as whoever serves does it: what a file says of it costs nothing.
Status checked_load(std::span<const std::uint8_t> file, bool header_only);

// A refusal as people are to see it: about the file or about memory, with a message that says something, not a page.
bool is_clear(const Status& status);

}  // namespace troupe::test
