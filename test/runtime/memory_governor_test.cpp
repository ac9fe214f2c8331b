// D17: one account of what grows with clients, under one limit, with an order of giving way.
#include "runtime/memory_governor.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "runtime/doors/response_stream.hpp"

using namespace troupe;

namespace {

constexpr MemoryUse kUses[] = {MemoryUse::kConnections, MemoryUse::kInput, MemoryUse::kRequests, MemoryUse::kAnswers,
                               MemoryUse::kResultCache};
// Of a limit of 1000, as the head of the header says.
std::uint64_t most_of(MemoryUse use) {
  if (use == MemoryUse::kResultCache) return 600;
  return use == MemoryUse::kConnections || use == MemoryUse::kInput ? 800 : 900;
}

unsigned seed() {
  const char* given = std::getenv("TROUPE_SEED");
  return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
}

}  // namespace

TEST_CASE("D17: memory governor agrees with a plain model over random takes and gives") {
  unsigned s = seed();
  INFO("TROUPE_SEED=" << s);
  std::mt19937 random(s);
  MemoryGovernor governor(1000);
  std::vector<std::pair<MemoryUse, std::uint64_t>> held;
  std::uint64_t sum = 0;
  std::uint64_t most_seen = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 5 < 3 || held.empty()) {
      MemoryUse use = kUses[random() % 5];
      std::uint64_t bytes = random() % 8 == 0 ? random() % 2000 : random() % 100;
      bool fits = sum + bytes <= most_of(use);
      REQUIRE(governor.try_take(use, bytes) == fits);
      if (fits) held.emplace_back(use, bytes), sum += bytes;
    } else {
      std::size_t which = random() % held.size();
      governor.give_back(held[which].first, held[which].second);
      sum -= held[which].second;
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
    }
    most_seen = std::max(most_seen, sum);
    REQUIRE(governor.used() == sum);
    REQUIRE(governor.most_used() == most_seen);
    MemoryLevel level = sum >= 750 ? MemoryLevel::kScarce : sum >= 600 ? MemoryLevel::kTight : MemoryLevel::kCalm;
    REQUIRE(governor.level() == level);
  }
  for (MemoryUse use : kUses) {
    std::uint64_t of_use = 0;
    for (const auto& [held_use, bytes] : held) of_use += held_use == use ? bytes : 0;
    CHECK(governor.used(use) == of_use);
  }
}

TEST_CASE("D17: takes and gives from several threads never lead beyond nine tenths of the limit") {
  MemoryGovernor governor(10'000);
  std::atomic<std::uint64_t> shadow = 0;  // raised after a take and lowered before a give: never more than is taken
  std::atomic<bool> is_broken = false;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      std::vector<std::uint64_t> held;
      MemoryUse use = kUses[t];
      for (int i = 0; i < 20'000; ++i) {
        if (random() % 2 == 0) {
          std::uint64_t bytes = random() % 700;
          if (!governor.try_take(use, bytes)) continue;
          held.push_back(bytes);
          if (shadow.fetch_add(bytes) + bytes > 9'000) is_broken = true;
        } else if (!held.empty()) {
          shadow.fetch_sub(held.back());
          governor.give_back(use, held.back());
          held.pop_back();
        }
      }
      for (std::uint64_t bytes : held) shadow.fetch_sub(bytes), governor.give_back(use, bytes);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(is_broken);
  CHECK(governor.most_used() <= 9'000);
  CHECK(governor.most_used() > 8'000);  // it did get tight
  CHECK(governor.used() == 0);
  for (MemoryUse use : kUses) CHECK(governor.used(use) == 0);
}

TEST_CASE("D17: the result cache gives way before readers, and readers before requests are refused") {
  MemoryGovernor governor(1000);
  int told = 0;
  governor.on_tight([&] { ++told; });
  REQUIRE(governor.try_take(MemoryUse::kResultCache, 300));
  REQUIRE(governor.try_take(MemoryUse::kRequests, 299));
  CHECK(governor.level() == MemoryLevel::kCalm);
  CHECK(told == 0);
  // 1. It stores nothing more, and is told once what to give back, however much is taken meanwhile.
  REQUIRE(governor.try_take(MemoryUse::kRequests, 101));
  CHECK(governor.level() == MemoryLevel::kTight);
  CHECK_FALSE(governor.try_take(MemoryUse::kResultCache, 1));
  REQUIRE(governor.try_take(MemoryUse::kRequests, 20));
  CHECK(told == 1);
  CHECK(governor.to_yield() == 120);
  governor.give_back(MemoryUse::kResultCache, 120);
  CHECK(governor.to_yield() == 0);
  // 2. Readers, at three quarters; the cache is told again.
  REQUIRE(governor.try_take(MemoryUse::kRequests, 150));
  CHECK(governor.level() == MemoryLevel::kScarce);
  CHECK(told == 2);
  CHECK(governor.to_yield() == 150);
  governor.give_back(MemoryUse::kResultCache, 150);
  // 3. What comes in is refused before what has come in.
  REQUIRE(governor.try_take(MemoryUse::kAnswers, 200));
  CHECK(governor.used() == 800);
  CHECK_FALSE(governor.try_take(MemoryUse::kConnections, 1));
  CHECK_FALSE(governor.try_take(MemoryUse::kInput, 1));
  CHECK(governor.try_take(MemoryUse::kRequests, 100));
  CHECK_FALSE(governor.try_take(MemoryUse::kAnswers, 1));
}

TEST_CASE("D17: a request that is refused makes the result cache give what stood in its way") {
  MemoryGovernor governor(1000);
  int told = 0;
  governor.on_tight([&] { ++told; });
  REQUIRE(governor.try_take(MemoryUse::kResultCache, 500));
  CHECK_FALSE(governor.try_take(MemoryUse::kRequests, 700));
  CHECK(told == 1);
  CHECK(governor.to_yield() == 300);
  governor.give_back(MemoryUse::kResultCache, 300);
  CHECK(governor.try_take(MemoryUse::kRequests, 700));
  // What could never fit costs the cache nothing.
  CHECK(governor.to_yield() == 300);
  CHECK_FALSE(governor.try_take(MemoryUse::kRequests, 901));
  governor.give_back(MemoryUse::kRequests, 700);
  CHECK(governor.to_yield() == 0);
}

TEST_CASE("D17: a smaller limit takes nothing away and gives nothing until enough has come back") {
  MemoryGovernor governor(1000);
  REQUIRE(governor.try_take(MemoryUse::kRequests, 500));
  governor.set_limit(400);
  CHECK(governor.used() == 500);
  CHECK(governor.level() == MemoryLevel::kScarce);
  CHECK_FALSE(governor.try_take(MemoryUse::kRequests, 0));
  governor.give_back(MemoryUse::kRequests, 200);
  CHECK(governor.try_take(MemoryUse::kRequests, 60));
  CHECK_FALSE(governor.try_take(MemoryUse::kRequests, 1));
}

TEST_CASE("D17: a lease gives back what it holds exactly once, wherever it was moved") {
  auto governor = std::make_shared<MemoryGovernor>(1000);
  {
    MemoryLease lease(governor, MemoryUse::kInput);
    REQUIRE(lease.grow_to(100));
    REQUIRE(lease.grow_to(50));
    CHECK(lease.bytes() == 100);
    CHECK_FALSE(lease.grow_to(801));
    CHECK(lease.bytes() == 100);
    MemoryLease moved = std::move(lease);
    MemoryLease other(governor, MemoryUse::kRequests);
    REQUIRE(other.grow_to(30));
    CHECK(governor->used() == 130);
    other = std::move(moved);
    CHECK(governor->used(MemoryUse::kRequests) == 0);
    CHECK(governor->used(MemoryUse::kInput) == 100);
    other.shrink_to(40);
    CHECK(governor->used() == 40);
  }
  CHECK(governor->used() == 0);
  MemoryLease without_governor;
  CHECK(without_governor.grow_to(UINT64_MAX));
}

TEST_CASE("D17: a stream holds its whole answer's memory while it runs, then what it has, until the last reader goes") {
  auto governor = std::make_shared<MemoryGovernor>(100'000);
  auto stream = std::make_shared<ResponseStream>(1);
  MemoryLease lease(governor, MemoryUse::kAnswers);
  REQUIRE(lease.grow_to(100 * 128));
  stream->keep(std::move(lease), 128);
  stream->limit(64, 0);
  CHECK(governor->used() == 64 * 128);
  stream->accept(1, 0, "class", false);
  StreamToken tokens[3];
  stream->append(tokens, "abc");
  CHECK(governor->used() == 64 * 128);
  stream->finish(FinishReason::kStop, {}, {});
  CHECK(governor->used() == 3 * 128);
  stream.reset();
  CHECK(governor->used() == 0);
}

TEST_CASE("D17: a refusal names what was asked for, what is in use and the limit, and is counted") {
  MemoryGovernor governor(1000U << 20U);
  REQUIRE(governor.try_take(MemoryUse::kRequests, 800U << 20U));
  Error error = governor.refusal(MemoryUse::kInput, 3U << 20U, 7);
  CHECK(error.code == ErrorCode::kQueueFull);
  CHECK(error.retry_after_s == 7);
  for (const char* part : {"3 MiB", "800 MiB", "1000 MiB", "memory.limit"}) {
    INFO(error.message);
    CHECK(error.message.find(part) != std::string::npos);
  }
  CHECK(governor.steps(MemoryStep::kRefusal) == 1);
  CHECK(governor.steps(MemoryStep::kSlowReader) == 0);
}

// Measured with bodies of 8 MiB against the server: what the resident size grew by while they were parsed.
TEST_CASE("D17: what parsing a body may take is no less than was measured") {
  auto repeated = [](const std::string& part, std::size_t times) {
    std::string text = "{\"prompt\":[";
    for (std::size_t i = 0; i < times; ++i) text += part;
    return text + "0]}";
  };
  constexpr std::uint64_t kMebibyte = 1U << 20U;
  CHECK(parse_bytes(repeated("0,", 4'194'000)) >= 201 * kMebibyte);
  CHECK(parse_bytes(repeated("[],", 2'796'000)) >= 137 * kMebibyte);
  CHECK(parse_bytes(repeated("{},", 2'796'000)) >= 137 * kMebibyte);
  std::string prompt = "{\"prompt\":\"" + std::string(8 * kMebibyte, 'a') + "\"}";
  CHECK(parse_bytes(prompt) >= 16 * kMebibyte);
  CHECK(parse_bytes(prompt) <= 25 * kMebibyte);
}

TEST_CASE("D17: the smallest limit serves one plain request of body_max, the automatic one is within its bounds") {
  constexpr std::uint64_t kMebibyte = 1U << 20U;
  for (std::uint64_t body_max : {std::uint64_t{1024}, kMebibyte, 8 * kMebibyte, 1024 * kMebibyte}) {
    MemoryGovernor governor(memory_needed(body_max));
    CHECK(governor.try_take(MemoryUse::kConnections, kConnectionBytes));
    CHECK(governor.try_take(MemoryUse::kInput, body_max));      // read
    CHECK(governor.try_take(MemoryUse::kInput, 3 * body_max));  // and parsed
    CHECK(memory_needed(body_max) % kMebibyte == 0);
  }
  CHECK(automatic_memory_limit(1024 * kMebibyte, kMebibyte) == 512 * kMebibyte);
  CHECK(automatic_memory_limit(0, kMebibyte) == 256 * kMebibyte);
  CHECK(automatic_memory_limit(std::uint64_t{1} << 60U, kMebibyte) == 16 * 1024 * kMebibyte);
  CHECK(automatic_memory_limit(0, 1024 * kMebibyte) == memory_needed(1024 * kMebibyte));
}
