#include "runtime/retry_line.hpp"

#include <catch2/catch.hpp>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const SteadyTime kNow{100s};

LinePlace place(std::uint64_t key, std::string tenant = "", double prompt = 100) {
  return {key, std::move(tenant), 0, prompt, 10};
}

bool everybody(const LinePlace&) { return true; }

double seconds(SteadyTime::duration time) { return std::chrono::duration<double>(time).count(); }

// Teaches the line that clients come back: kept_share is near 1 then.
SteadyTime with_faithful_clients(RetryLine& line) {
  SteadyTime now = kNow;
  for (std::uint64_t key = 1'000'000; key < 1'000'100; ++key) {
    now = line.join(place(key), 1000, now + 1s, now);
    REQUIRE(line.claim(place(key), now));
  }
  return now + 10s;
}

}  // namespace

TEST_CASE("D7: turns are as far apart as the work takes, a little more, and never before the earliest") {
  RetryLine line;
  SteadyTime now = with_faithful_clients(line);
  SteadyTime first = line.join(place(1), 2000, now + 3s, now);
  CHECK(first == now + 3s);
  SteadyTime second = line.join(place(2), 2000, now + 1s, now);
  CHECK(seconds(second - first) >= 2.0);
  CHECK(seconds(second - first) < 2.2);
  CHECK(line.end(now) > second);
}

TEST_CASE("D7: a request that comes early keeps its place, one that comes in time takes it, once") {
  RetryLine line;
  SteadyTime turn = line.join(place(1), 1000, kNow + 2s, kNow);
  CHECK_FALSE(line.claim(place(1), kNow + 1s));
  CHECK(line.join(place(1), 1000, kNow + 9s, kNow + 1s) == turn);
  CHECK(line.size() == 1);
  CHECK_FALSE(line.claim(place(1, "somebody else"), turn));
  CHECK(line.claim(place(1), turn + RetryLine::kPatience));
  CHECK_FALSE(line.claim(place(1), turn + RetryLine::kPatience));
  CHECK(line.kept_total() == 1);
}

TEST_CASE("D7: who does not come loses the place, and less is kept for those who do not come") {
  RetryLine line;
  SteadyTime now = with_faithful_clients(line);
  CHECK(line.kept_share() > 0.95);
  for (std::uint64_t key = 1; key <= 100; ++key) {
    now = line.join(place(key), 1000, now + 1s, now) + RetryLine::kPatience + 1ms;
    CHECK_FALSE(line.claim(place(key), now));
  }
  CHECK(line.lost_total() == 100);
  CHECK(line.kept_share() < 0.01);
  SteadyTime first = line.join(place(1001), 1000, now + 1s, now), second = line.join(place(1002), 1000, now + 1s, now);
  CHECK(seconds(second - first) < 0.02);
}

TEST_CASE("D7: a line that everybody has left is no line") {
  RetryLine line;
  for (std::uint64_t key = 0; key < 10; ++key) line.join(place(key), 60'000, kNow + 1s, kNow);
  SteadyTime end = line.end(kNow);
  REQUIRE(end > kNow + 60s);
  SteadyTime later = end - 20s;  // the last turn and its patience are over, its work would not be
  for (std::uint64_t key = 0; key < 10; ++key) CHECK_FALSE(line.claim(place(1000 + key), later));
  REQUIRE(line.size() == 0);
  CHECK(line.join(place(2000), 1000, later + 1s, later) == later + 1s);
}

TEST_CASE("D7: what those whose turn is near bring is told, by who goes first and how faithful they are") {
  RetryLine line;
  SteadyTime now = with_faithful_clients(line);
  line.join(place(1, "a", 300), 1000, now + 1s, now);
  line.join(place(2, "b", 50), 1000, now + 1s, now);
  line.join(place(3, "a", 7), 60'000, now + 30s, now);
  LineLoad all = line.due(now + 10s, now, everybody);
  CHECK(all.sequences == Approx(2 * line.kept_share()));
  CHECK(all.tokens == Approx(350 * line.kept_share()));
  LineLoad some = line.due(now + 10s, now, [](const LinePlace& one) { return one.tenant == "b"; });
  CHECK(some.tokens == Approx(50 * line.kept_share()));
  CHECK(line.due(now + 1s + RetryLine::kPatience + 10s, now + 1s + RetryLine::kPatience + 10s, everybody).tokens == 0);
}

TEST_CASE("D7: a turn without room after all is a new one, before those further back, and spaces the next ones wider") {
  RetryLine line;
  SteadyTime now = with_faithful_clients(line);
  SteadyTime turn = line.join(place(1), 1000, now + 1s, now);
  SteadyTime last = line.join(place(2), 100'000, now + 1s, now);
  line.join(place(3), 1000, now + 1s, now);
  REQUIRE(line.claim(place(1), turn));
  CHECK(line.rejoin(place(1), turn + 1s, turn) == turn + 1s);
  CHECK(line.claim(place(1), turn + 1s));
  for (int i = 0; i < 1000; ++i) line.rejoin(place(1), last, turn);
  SteadyTime a = line.join(place(10), 1000, turn, turn), b = line.join(place(11), 1000, turn, turn);
  CHECK(seconds(b - a) > 1.2 * line.kept_share());
  CHECK(seconds(b - a) < 1.3);
}

TEST_CASE("contract 4: the line is bounded in places and in time, and beyond it an answer is given and nothing kept") {
  RetryLine line;
  for (std::uint64_t key = 0; key < RetryLine::kPlacesMax + 1000; ++key) line.join(place(key), 1, kNow + 1s, kNow);
  CHECK(line.size() == RetryLine::kPlacesMax);
  RetryLine slow;
  SteadyTime turn = kNow;
  for (std::uint64_t key = 0; key < 100; ++key) turn = slow.join(place(key), 100'000, kNow + 1s, kNow);
  CHECK(turn > kNow + RetryLine::kLineMax);
  CHECK(slow.size() < 100);
  CHECK_FALSE(slow.claim(place(99), turn));
}
