#include "net/schema/best_of.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace troupe {
namespace {

double mean_logprob(const ResponseStream::Chunk& answer) {
  if (answer.tokens.empty()) return -std::numeric_limits<double>::infinity();
  double sum = std::accumulate(answer.tokens.begin(), answer.tokens.end(), 0.0, [](double all, const StreamToken& one) {
    return all + static_cast<double>(one.logprob);
  });
  return sum / static_cast<double>(answer.tokens.size());
}

}  // namespace

std::vector<std::uint32_t> best_choices(std::span<const ResponseStream::Chunk> answers, std::uint32_t choices,
                                        std::uint32_t shown) {
  std::vector<std::uint32_t> order(answers.size());
  std::iota(order.begin(), order.end(), 0U);
  if (shown >= choices) return order;
  std::vector<double> means(answers.size());
  std::transform(answers.begin(), answers.end(), means.begin(), mean_logprob);
  std::vector<std::uint32_t> best;
  for (std::size_t begin = 0; begin + choices <= order.size(); begin += choices) {
    auto first = order.begin() + static_cast<std::ptrdiff_t>(begin);
    std::stable_sort(first, first + choices, [&](std::uint32_t a, std::uint32_t b) { return means[a] > means[b]; });
    best.insert(best.end(), first, first + shown);
  }
  return best;
}

}  // namespace troupe
