#pragma once
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011). Counter-based:
// a draw is a function of key and counter, so nothing has to be kept, moved or replayed for a sequence.
#include <array>
#include <cstdint>

namespace troupe {

std::array<std::uint32_t, 4> philox4x32(std::uint64_t key, std::uint64_t counter_low, std::uint64_t counter_high);

// 64 random bits for the token at `position` of a choice's output.
std::uint64_t random_bits(std::uint64_t seed, std::uint32_t choice, std::uint32_t position);

}  // namespace troupe
