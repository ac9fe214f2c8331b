#pragma once
// Typical sampling (Meister et al., arXiv 2202.00666): of what the filters before it left, the tokens whose surprise,
// -ln p, is nearest to its mean, until they weigh typical_p of all. Weights are integers; the logarithms are doubles
// of + - * / alone, summed in one order: the same tokens everywhere.
#include <cstddef>
#include <cstdint>
#include <span>

namespace troupe {

struct TypicalTokens {
  std::size_t count = 0;  // at least 1; the first of `keys`
  std::uint64_t total = 0;
};

// keys: candidates (token in the low half), by weight descending, then token; none empty, all with a weight of at least
// 1. They come back ordered by their distance from the mean, equal ones by token, the token still in the low half.
// `total`: what they weigh together; 0 < typical_p < 1.
TypicalTokens keep_typical(std::span<std::uint64_t> keys, std::span<const std::uint32_t> weights, std::uint64_t total,
                           float typical_p);

}  // namespace troupe
