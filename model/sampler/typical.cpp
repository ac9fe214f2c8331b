#include "model/sampler/typical.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "model/sampler/logarithm.hpp"

namespace troupe {

TypicalTokens keep_typical(std::span<std::uint64_t> keys, std::span<const std::uint32_t> weights, std::uint64_t total,
                           float typical_p) {
  // -ln p = ln total - ln weight: the total's logarithm is in the mean, too, and cancels out.
  auto weight_of = [&](std::uint64_t key) { return weights[static_cast<std::uint32_t>(key)]; };
  double mean = 0.0;
  for (std::uint64_t key : keys) mean += weight_of(key) * exact_ln(weight_of(key));
  mean /= static_cast<double>(total);
  for (std::uint64_t& key : keys) {
    auto distance = static_cast<float>(std::abs(mean - exact_ln(weight_of(key))));
    key = static_cast<std::uint64_t>(std::bit_cast<std::uint32_t>(distance)) << 32 | static_cast<std::uint32_t>(key);
  }
  std::sort(keys.begin(), keys.end());
  auto needed = static_cast<double>(typical_p) * static_cast<double>(total);
  TypicalTokens kept;
  do kept.total += weight_of(keys[kept.count++]);
  while (kept.count < keys.size() && static_cast<double>(kept.total) < needed);
  return kept;
}

}  // namespace troupe
