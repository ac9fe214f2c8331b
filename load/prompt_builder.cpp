#include "load/prompt_builder.hpp"

#include <cmath>
#include <string_view>

#include "load/random.hpp"

namespace troupe {
namespace {

constexpr std::string_view kWords[] = {
    "the",     "of",      "and",   "to",    "in",     "is",    "that",  "for",     "it",    "as",    "was",
    "with",    "be",      "by",    "on",    "not",    "he",    "his",   "but",     "at",    "are",   "this",
    "have",    "from",    "or",    "had",   "an",     "they",  "which", "one",     "you",   "were",  "her",
    "all",     "she",     "there", "would", "their",  "we",    "him",   "been",    "has",   "when",  "who",
    "will",    "more",    "no",    "if",    "out",    "so",    "said",  "what",    "up",    "its",   "about",
    "into",    "than",    "them",  "can",   "only",   "other", "new",   "some",    "could", "time",  "these",
    "two",     "may",     "then",  "do",    "first",  "any",   "my",    "now",     "such",  "like",  "our",
    "over",    "man",     "me",    "even",  "most",   "made",  "after", "also",    "did",   "many",  "before",
    "must",    "through", "back",  "years", "where",  "much",  "your",  "way",     "well",  "down",  "should",
    "because", "each",    "just",  "those", "people", "how",   "too",   "little",  "state", "good",  "very",
    "make",    "world",   "still", "own",   "see",    "men",   "work",  "long",    "get",   "here",  "between",
    "both",    "life",    "being", "under", "never",  "day",   "same",  "another", "know",  "while", "last",
    "might",   "us",      "great", "old",   "year",   "off",   "come",  "since",   "go",    "came",  "right",
    "used",    "take",    "three", "house", "use",    "place", "small", "found",   "every", "part",  "water",
    "city"};
constexpr std::size_t kWordCount = sizeof kWords / sizeof kWords[0];
constexpr std::uint64_t kShared = ~std::uint64_t{0};  // in place of an index: the prefix that all share

}  // namespace

std::string PromptBuilder::build(std::uint64_t index, std::uint32_t words) const {
  auto shared = static_cast<std::uint32_t>(std::lround(prefix_share_ * words));
  SeededRandom prefix(seed_, kShared);
  SeededRandom own(seed_, mix(index, 1));
  std::string prompt;
  prompt.reserve(std::size_t{words} * 5);
  for (std::uint32_t i = 0; i < words; ++i) {
    if (i > 0) prompt += ' ';
    prompt += kWords[(i < shared ? prefix : own).below(kWordCount)];
  }
  return prompt;
}

}  // namespace troupe
