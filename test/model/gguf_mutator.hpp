#pragma once
// Mutants of a valid model file, made by somebody who knows what the header's numbers mean.
#include <random>

#include "test/model/gguf_fields.hpp"

namespace troupe::test {

// The file with one to three changes: numbers replaced by what their kind is likely to break on, texts changed or
// exchanged, bits flipped, pieces of the header left out or doubled, the end cut off.
Bytes mutant_of(const Bytes& file, const GgufMap& map, std::mt19937_64& random);

}  // namespace troupe::test
