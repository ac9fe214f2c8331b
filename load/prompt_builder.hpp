#pragma once
// Prompts of about so many tokens, from a seed: short common words, each of which is one token of most vocabularies.
// How many tokens a prompt really had, the server's `usage` says; nothing here counts tokens.
#include <cstdint>
#include <string>

namespace troupe {

class PromptBuilder {
 public:
  // The first `prefix_share` of every prompt is the same text for all requests of a seed; the rest is the request's
  // own, so no answer and no prefix beyond the share comes from a server's cache.
  PromptBuilder(std::uint64_t seed, double prefix_share) : seed_(seed), prefix_share_(prefix_share) {}

  // The same for the same index, so that a retry sends the same prompt and nothing is kept.
  std::string build(std::uint64_t index, std::uint32_t words) const;

 private:
  std::uint64_t seed_;
  double prefix_share_;  // 0 .. 1
};

}  // namespace troupe
