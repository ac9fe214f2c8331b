#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <set>
#include <sstream>
#include <vector>

#include "load/prompt_builder.hpp"

using namespace troupe;

namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

std::size_t common_words(const std::string& a, const std::string& b) {
  auto left = words_of(a);
  auto right = words_of(b);
  auto end = std::mismatch(left.begin(), left.end(), right.begin(), right.end()).first;
  return static_cast<std::size_t>(end - left.begin());
}

}  // namespace

TEST_CASE("R202 prompts differ from their first words on, and are the same for an index") {
  PromptBuilder prompts(5, 0.0);
  CHECK(words_of(prompts.build(0, 100)).size() == 100);
  CHECK(prompts.build(3, 50) == prompts.build(3, 50));
  CHECK(prompts.build(3, 50) != PromptBuilder(6, 0.0).build(3, 50));
  std::set<std::string> beginnings;
  for (std::uint64_t i = 0; i < 1'000; ++i) beginnings.insert(prompts.build(i, 8));
  CHECK(beginnings.size() == 1'000);  // 8 of 140 words: two equal beginnings are a matter of 1e-11
}

TEST_CASE("R202 the share of the prompt that is common is the one asked for") {
  PromptBuilder prompts(5, 0.75);
  CHECK(common_words(prompts.build(1, 100), prompts.build(2, 100)) >= 75);
  CHECK(common_words(prompts.build(1, 100), prompts.build(2, 100)) <= 78);  // 3 more by chance: 1 in 3 million
  CHECK(common_words(prompts.build(1, 40), prompts.build(2, 80)) >= 30);    // a shorter prompt has the shorter prefix
  PromptBuilder same(5, 1.0);
  CHECK(same.build(1, 64) == same.build(2, 64));
}
