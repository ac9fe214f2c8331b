#pragma once
// Arithmetic on sizes that come from files: a product that does not fit is an answer, not a wrap-around.
#include <cstdint>
#include <optional>
#include <span>

namespace troupe {

constexpr std::optional<std::uint64_t> checked_multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

constexpr std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

// Elements of a tensor; a tensor without dimensions has one.
constexpr std::optional<std::uint64_t> checked_elements(std::span<const std::uint64_t> dimensions) {
  std::optional<std::uint64_t> elements = 1;
  for (const std::uint64_t dimension : dimensions) {
    elements = checked_multiply(*elements, dimension);
    if (!elements) return std::nullopt;
  }
  return elements;
}

// The next multiple of `step`; step > 0, and the result must fit (sizes here are far below 2^63).
constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t step) { return (value + step - 1) / step * step; }

}  // namespace troupe
