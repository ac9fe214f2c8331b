#include "text/stop_matcher.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <random>

using namespace troupe;

namespace {
// What is shown of `text` when it arrives in pieces of these sizes (the last one repeats).
std::string shown_of(std::vector<std::string> stops, std::string_view text, std::vector<std::size_t> sizes) {
  StopMatcher matcher(std::move(stops));
  std::string shown;
  for (std::size_t i = 0; !text.empty(); ++i) {
    std::size_t size = sizes[std::min(i, sizes.size() - 1)];
    matcher.push(text.substr(0, size), shown);
    text.remove_prefix(std::min(size, text.size()));
  }
  if (!matcher.matched()) matcher.finish(shown);
  return shown;
}
}  // namespace

TEST_CASE("stop matcher ends the text before a stop that spans pieces") {
  StopMatcher matcher({"\nUser:"});
  std::string shown;
  CHECK_FALSE(matcher.push("Hello\n", shown));
  CHECK(shown == "Hello");
  CHECK_FALSE(matcher.push("Use", shown));
  CHECK(shown == "Hello");
  CHECK(matcher.push("r: more", shown));
  CHECK(shown == "Hello");
  CHECK(matcher.matched() == 0);
  CHECK(matcher.push("later", shown));
  matcher.finish(shown);
  CHECK(shown == "Hello");
}

TEST_CASE("stop matcher shows what was held back when it turns out to be nothing") {
  StopMatcher matcher({"abcd"});
  std::string shown;
  matcher.push("xabc", shown);
  CHECK(shown == "x");
  matcher.push("e", shown);
  CHECK(shown == "xabce");
  matcher.push("abc", shown);
  matcher.push("", shown);
  CHECK(shown == "xabce");
  matcher.finish(shown);
  CHECK(shown == "xabceabc");
}

TEST_CASE("stop matcher falls back to a shorter beginning of the same stop") {
  CHECK(shown_of({"aab"}, "aaaab", {1}) == "aa");
  CHECK(shown_of({"abab!"}, "ababab!", {2}) == "ab");
}

TEST_CASE("stop matcher takes the stop that is complete first, and of those the longest") {
  CHECK(shown_of({"world", "lo"}, "hello world", {3}) == "hel");
  StopMatcher matcher({"d", "cd", "cd", "bcd"});
  std::string shown;
  CHECK(matcher.push("abcd", shown));
  CHECK(shown == "a");
  CHECK(matcher.matched() == 3);
  StopMatcher same({"cd", "cd"});
  CHECK(same.push("abcd", shown));
  CHECK(same.matched() == 0);
}

TEST_CASE("stop matcher without stops, or with empty ones, shows everything at once") {
  CHECK(shown_of({}, "abc", {1}) == "abc");
  StopMatcher matcher({""});
  std::string shown;
  CHECK_FALSE(matcher.push("abc", shown));
  CHECK(shown == "abc");
}

TEST_CASE("stop matcher decides by the text alone, however it is cut into pieces") {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    auto letters = [&](std::size_t most) {
      std::string text(1 + random() % most, 'a');
      for (char& c : text) c = static_cast<char>('a' + random() % 2);
      return text;
    };
    std::vector<std::string> stops{letters(6), letters(6), letters(4) + "b"};
    std::string text = letters(40);
    // The plain way: the shortest beginning of the text that ends with a stop.
    std::string expected = text;
    for (std::size_t end = 1; end <= text.size() && expected == text; ++end) {
      std::size_t longest = 0;
      for (const std::string& stop : stops) {
        if (std::string_view(text).substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
      }
      if (longest > 0) {
        expected = text.substr(0, end - longest);
        break;
      }
    }
    CHECK(shown_of(stops, text, {text.size()}) == expected);
    CHECK(shown_of(stops, text, {1}) == expected);
    CHECK(shown_of(stops, text, {random() % 5 + 1, random() % 5 + 1, 3}) == expected);
  }
}

TEST_CASE("stop matcher holds back no more than a stop is long and takes linear time") {
  auto seconds = [](std::size_t size) {
    std::vector<std::string> stops(16, std::string(1023, 'a') + "b");
    StopMatcher matcher(stops);
    std::string shown;
    auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < size; i += 4) matcher.push("aaaa", shown);
    REQUIRE(shown.size() == size - 1023);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  seconds(20'000);
  CHECK(seconds(80'000) < 8 * std::max(seconds(20'000), 0.001));
}
