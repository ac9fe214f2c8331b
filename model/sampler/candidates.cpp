#include "model/sampler/candidates.hpp"

#include <algorithm>

namespace troupe {

Candidates::Candidates(std::span<const std::uint32_t> weights, std::uint32_t weight_min,
                       std::span<std::uint64_t> storage) {
  std::size_t count = 0;
  for (std::size_t token = 0; token < weights.size(); ++token) {
    if (weights[token] < weight_min) continue;
    storage[count++] = static_cast<std::uint64_t>(~weights[token]) << 32 | token;
    total_ += weights[token];
  }
  keys_ = storage.first(count);
}

void Candidates::sort_through(std::size_t i) {
  constexpr std::size_t kFirstRun = 128;
  std::size_t end = std::min(keys_.size(), std::max({kFirstRun, i + 1, 4 * sorted_}));
  auto begin = keys_.begin();
  if (end < keys_.size())
    std::nth_element(begin + static_cast<std::ptrdiff_t>(sorted_), begin + static_cast<std::ptrdiff_t>(end),
                     keys_.end());
  std::sort(begin + static_cast<std::ptrdiff_t>(sorted_), begin + static_cast<std::ptrdiff_t>(end));
  sorted_ = end;
}

}  // namespace troupe
