#pragma once
// Seeded values for kernels: ordinary ones, and the kinds that break them.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "gpu/host/kernels.hpp"
#include "tensor/storage.hpp"

namespace troupe::test {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2 + 1) {}
  std::uint64_t next() {  // xorshift64*
    state_ ^= state_ >> 12, state_ ^= state_ << 25, state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DULL;
  }
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>((next() >> 32) * n >> 32); }
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24F; }
  float bell() { return (uniform() + uniform() + uniform() + uniform() - 2.0F) * 1.7F; }

 private:
  std::uint64_t state_;
};

// Kinds of rows a kernel must survive.
enum class Kind { kOrdinary, kZeros, kMinusZeros, kEqual, kSigns, kTiny, kOutliers, kWild };
inline constexpr Kind kKinds[] = {Kind::kOrdinary, Kind::kZeros, Kind::kMinusZeros, Kind::kEqual,
                                  Kind::kSigns,    Kind::kTiny,  Kind::kOutliers,   Kind::kWild};

inline float value_of(Kind kind, Random& random) {
  switch (kind) {
    case Kind::kOrdinary:
      return random.bell();
    case Kind::kZeros:
      return 0.0F;
    case Kind::kMinusZeros:
      return -0.0F;
    case Kind::kEqual:
      return 0.37F;
    case Kind::kSigns:
      return random.below(2) == 0 ? 1.0F : -1.0F;
    case Kind::kTiny:
      return random.bell() * 1e-34F;
    case Kind::kOutliers:
      return random.bell() * (random.below(20) == 0 ? 1e4F : 1.0F);
    case Kind::kWild:
      break;
  }
  const float x = random.bell();
  switch (random.below(8)) {
    case 0:
      return 0.0F;
    case 1:
      return -0.0F;
    case 2:
      return x * 1e-30F;
    case 3:
      return x * 1e4F;
    case 4:
      return std::ldexp(x, -static_cast<int>(random.below(60)));
    default:
      return x;
  }
}

// An array on cache lines, zeroed; `fill` byte first when a test wants to see what was not written.
template <class T>
class Aligned {
 public:
  explicit Aligned(std::size_t count, int fill = 0) : storage_(*Storage::allocate(count * sizeof(T))), count_(count) {
    if (fill != 0) std::memset(storage_.data(), fill, count * sizeof(T));
  }
  T* data() const { return storage_.as<T>(); }
  T& operator[](std::size_t i) const { return data()[i]; }
  std::size_t size() const { return count_; }
  std::size_t bytes() const { return count_ * sizeof(T); }

 private:
  Storage storage_;
  std::size_t count_;
};

inline void fill(const Aligned<float>& values, Kind kind, Random& random) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = value_of(kind, random);
}

template <class T>
bool same_bits(const Aligned<T>& a, const Aligned<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

// Where the f16 scales and minima of a block stand.
std::vector<std::size_t> half_offsets(DType type);

// Rows of random blocks in a file format: every byte random, scales finite, subnormal, zero and negative ones among
// them.
class RandomRows {
 public:
  RandomRows(DType type, std::uint32_t rows, std::uint32_t columns, Random& random);
  const std::vector<const std::byte*>& rows() const { return rows_; }

 private:
  std::vector<std::byte> bytes_;
  std::vector<const std::byte*> rows_;
};

// Every table this CPU can run but the portable one.
std::vector<const HostKernels*> optimised_kernels();

}  // namespace troupe::test
