#pragma once
// Finds the first stop string in generated text as it arrives, and holds back only what may still become one.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/doors/text_codec.hpp"

namespace troupe {

// The stop that is complete first ends the text; of several that end at the same byte the longest does (it begins
// first). So the result depends on the text alone, not on how it was cut into pieces. Costs one comparison (amortised)
// per stop and byte: each stop is followed by its own Knuth-Morris-Pratt automaton.
class StopMatcher final : public StopFilter {
 public:
  explicit StopMatcher(std::vector<std::string> stops);  // empty ones match nothing

  // Appends to `shown` what cannot be part of a stop any more. True once a stop was found: the text ends before it,
  // nothing is held back, and further pieces are ignored.
  bool push(std::string_view piece, std::string& shown) override;

  void finish(std::string& shown) override;  // the text is over: what was held back is shown

  std::optional<std::size_t> matched() const { return matched_; }  // index into the constructor's list

 private:
  struct Pattern {
    std::string text;
    std::vector<std::uint32_t> fallback;  // fallback[i]: longest proper prefix of text that ends text[0..i]
    std::uint32_t matched = 0;            // bytes of text that end what was seen
  };

  std::vector<Pattern> patterns_;
  std::string held_;  // equals the longest prefix of a pattern that ends what was seen
  std::optional<std::size_t> matched_;
};

}  // namespace troupe
