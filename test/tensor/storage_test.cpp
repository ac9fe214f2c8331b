#include "tensor/storage.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>

namespace troupe {
namespace {
bool is_zero(const std::byte* data, std::size_t size) {
  return std::all_of(data, data + size, [](std::byte byte) { return byte == std::byte{0}; });
}
bool is_aligned(const std::byte* data, std::size_t step) { return reinterpret_cast<std::uintptr_t>(data) % step == 0; }
}  // namespace

TEST_CASE("storage nobody can give is an error that says how much was asked for") {
  const auto storage = Storage::allocate(std::numeric_limits<std::size_t>::max());
  REQUIRE_FALSE(storage.ok());
  CHECK(storage.error().message.find("18446744073709551615") != std::string::npos);
  Arena arena;
  CHECK_FALSE(arena.allocate(std::numeric_limits<std::size_t>::max()).ok());
  CHECK(arena.bytes_used() == 0);
}

TEST_CASE("storage is zeroed and aligned, small or huge") {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{100}, kHugePage - 1, kHugePage, kHugePage * 3 + 5}) {
    CAPTURE(bytes);
    auto storage = Storage::allocate(bytes);
    REQUIRE(storage.ok());
    CHECK(storage->size() >= bytes);
    CHECK(is_aligned(storage->data(), bytes >= kHugePage ? kHugePage : kCacheLine));
    CHECK(is_zero(storage->data(), storage->size()));
    storage->data()[storage->size() - 1] = std::byte{1};
  }
  CHECK(Storage::allocate(0)->data() == nullptr);
}

TEST_CASE("moved storage has one owner") {
  auto first = *Storage::allocate(64);
  std::byte* const data = first.data();
  Storage second(std::move(first));
  CHECK(second.data() == data);
  Storage third = *Storage::allocate(kHugePage);
  third = std::move(second);
  CHECK(third.data() == data);
}

TEST_CASE("an arena's regions do not overlap, and one larger than a chunk gets its own") {
  Arena arena(1024);
  std::byte* const a = *arena.allocate(100);
  std::byte* const b = *arena.allocate(100);
  std::byte* const large = *arena.allocate(5000);
  std::byte* const c = *arena.allocate(1);
  std::fill(a, a + 100, std::byte{1});
  std::fill(b, b + 100, std::byte{2});
  std::fill(large, large + 5000, std::byte{3});
  CHECK(a[99] == std::byte{1});
  CHECK(b[0] == std::byte{2});
  CHECK(*c == std::byte{0});
  for (const std::byte* region : {a, b, large, c}) CHECK(is_aligned(region, kCacheLine));
  CHECK(arena.bytes_used() == 128 + 128 + 5056 + 64);
}

}  // namespace troupe
