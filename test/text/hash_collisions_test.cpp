// Words and tokens made so that the standard library's hash is the same for all of them: to a table that trusted it
// they would be a list.
#include <catch2/catch.hpp>
#include <cstring>
#include <ctime>
#include <functional>

#include "text/tokenizer/vocabulary.hpp"
#include "text/tokenizer/word_memory.hpp"

using namespace troupe;

namespace {

// libstdc++ hashes texts by MurmurHash64A with this factor and this seed; every step of it can be undone.
constexpr std::uint64_t kFactor = 0xC6A4A7935BD1E995U;
constexpr std::uint64_t kSeed = 0xC70F6907U;

constexpr std::uint64_t inverse(std::uint64_t odd) {
  std::uint64_t x = odd;
  for (int i = 0; i < 6; ++i) x *= 2 - odd * x;
  return x;
}
constexpr std::uint64_t kInverse = inverse(kFactor);
static_assert(kFactor * kInverse == 1);

std::uint64_t shift(std::uint64_t x) { return x ^ x >> 47; }  // its own inverse

// 16 bytes: the number, and what takes the hash from there to where all of them end.
std::string colliding_word(std::uint64_t number) {
  std::uint64_t after = ((kSeed ^ 16 * kFactor) ^ shift(number * kFactor) * kFactor) * kFactor;
  std::uint64_t wanted = 12345 * kInverse ^ after;
  std::uint64_t rest = shift(wanted * kInverse) * kInverse;
  std::string word(16, '\0');
  std::memcpy(word.data(), &number, 8);
  std::memcpy(word.data() + 8, &rest, 8);
  return word;
}

double seconds_to_remember(const std::vector<std::string>& words) {
  std::vector<TokenId> out;
  WordMemory memory(out);
  auto begin = std::clock();
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      memory.encode(words[i], [&](std::string_view) { out.push_back(static_cast<TokenId>(i)); });
      REQUIRE(out.back() == static_cast<TokenId>(i));
    }
  }
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

}  // namespace

TEST_CASE("the words of these tests collide") {
  CHECK(std::hash<std::string>()(colliding_word(1)) == std::hash<std::string>()(colliding_word(2)));
  CHECK(colliding_word(1) != colliding_word(2));
}

TEST_CASE("words whose hashes collide are no attack") {
  std::vector<std::string> hostile, honest;
  for (std::uint64_t i = 0; i < 30'000; ++i) {
    hostile.push_back(colliding_word(i));
    honest.push_back("word number " + std::to_string(i));
  }
  double usual = std::max(0.005, seconds_to_remember(honest));
  CHECK(seconds_to_remember(hostile) < 10 * usual);
}

TEST_CASE("a vocabulary whose hashes collide is refused") {
  std::vector<std::string> tokens;
  for (std::uint64_t i = 0; i < 300; ++i) tokens.push_back(colliding_word(i));
  auto refused = Vocabulary::make(tokens, {}, TokenSpelling::kSpaceMarks);
  REQUIRE_FALSE(refused.ok());
  CHECK_THAT(refused.error().message, Catch::Contains("collides with too many others"));
  tokens.resize(20);
  CHECK(Vocabulary::make(tokens, {}, TokenSpelling::kSpaceMarks).ok());
}
