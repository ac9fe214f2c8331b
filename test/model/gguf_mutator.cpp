#include "test/model/gguf_mutator.hpp"

#include <algorithm>
#include <array>

namespace troupe::test {
namespace {

using Kind = GgufField::Kind;

class Mutator {
 public:
  Mutator(const Bytes& file, const GgufMap& map, std::mt19937_64& random) : bytes_(file), map_(map), random_(random) {}

  Bytes run() {
    for (std::uint64_t changes = 1 + random_() % 3; changes > 0; --changes) {
      std::uint64_t kind = random_() % 16;
      if (kind < 10) {
        change_field(map_.fields[random_() % map_.fields.size()]);
      } else if (kind == 10) {
        change_field(scalar());  // among thousands of tokens the few numbers of the model would hardly be met
      } else if (kind == 11) {
        exchange(map_.fields[random_() % map_.fields.size()], map_.fields[random_() % map_.fields.size()]);
      } else if (kind == 12) {
        std::size_t at = random_() % map_.header_bytes;
        if (at < bytes_.size()) bytes_[at] ^= static_cast<std::uint8_t>(1U << random_() % 8);
      } else if (kind == 13) {
        cut_off();
      } else {
        move_piece(kind == 14);
      }
      if (bytes_.empty()) bytes_.push_back(0);
    }
    return std::move(bytes_);
  }

 private:
  std::uint64_t pick(std::initializer_list<std::uint64_t> values) {
    return *(values.begin() + static_cast<std::ptrdiff_t>(random_() % values.size()));
  }

  // Numbers that arithmetic is likely to break on.
  std::uint64_t extreme() {
    std::uint64_t size = bytes_.size();
    return random_() % 8 == 0
               ? random_() >> random_() % 64
               : pick({0,          1,          2,          3,          7,          0x7F,       0xFF,       0xFFFF,
                       0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1ULL << 32, 1ULL << 40, 1ULL << 44, 1ULL << 61, 1ULL << 62,
                       1ULL << 63, ~0ULL,      ~0ULL - 1,  ~0ULL - 31, size,       size - 1,   size + 1,   size / 2});
  }

  std::uint64_t replacement(const GgufField& field, std::uint64_t value) {
    if (random_() % 4 == 0) return extreme();
    switch (field.kind) {
      case Kind::kVersion:
        return pick({0, 1, 2, 3, 4, 0x01000000, 0x02000000, 0x03000000, 0xFFFFFFFF});
      case Kind::kTensorCount:
      case Kind::kKeyCount:
      case Kind::kLength:
      case Kind::kArrayCount:
        return pick(
            {0, value - 1, value + 1, value * 2, value / 2, value + 8, 65536, 65537, 1ULL << 26, value + (1ULL << 32)});
      case Kind::kValueType:
        return random_() % 15;
      case Kind::kAlignment:
        return pick({0, 1, 3, 4, 7, 8, 16, 24, 33, 64, 128, 4096, 8192, 1ULL << 20, 1ULL << 21, 1ULL << 31});
      case Kind::kDimensionCount:
        return pick({0, 1, 2, 3, 4, 5, 255});
      case Kind::kDimension:
        return pick({0, 1, value - 1, value + 1, value * 2, value / 2, value + 32, value ^ 16, 1ULL << 32, 1ULL << 40,
                     (1ULL << 62) + value, ~value + 1});
      case Kind::kTensorType:
        return random_() % 46;
      case Kind::kOffset:
        return pick({0, value + 1, value + 32, value - 32, value + 16, value * 2, value / 2, bytes_.size(), 0 - value});
      case Kind::kValue:
        break;
      case Kind::kText:
        break;
    }
    // A number of the model: a little off, or as a float NaN, infinity, zero, one, tiny, negative.
    return pick({0, 1, value + 1, value - 1, value * 2, value / 2, value * 3, value ^ 1, value | 0x80000000, 0x7FC00000,
                 0x7F800000, 0xFF800000, 0x3F800000, 0x00000001, 0xBF800000, 0x7FF8000000000000});
  }

  void change_field(const GgufField& field) {
    if (field.at + field.size > bytes_.size()) return;
    if (field.kind == Kind::kText) return change_text(field);
    std::uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + field.at, std::min<std::size_t>(field.size, 8));
    value = replacement(field, value);
    std::memcpy(bytes_.data() + field.at, &value, std::min<std::size_t>(field.size, 8));
  }

  void change_text(const GgufField& field) {
    std::size_t at = field.at + random_() % field.size;
    constexpr std::uint8_t kBytes[] = {0, '.', ' ', '0', 'a', 0x7F, 0x80, 0xC3, 0xFF};
    bytes_[at] = random_() % 2 == 0 ? kBytes[random_() % std::size(kBytes)] : static_cast<std::uint8_t>(random_());
  }

  const GgufField& scalar() {
    for (int attempt = 0; attempt < 64; ++attempt) {
      // What is no part of a long array lies at the beginning and, as tensors, at the end.
      std::size_t near = random_() % std::min<std::size_t>(map_.fields.size(), 160);
      const GgufField& field = map_.fields[random_() % 2 == 0 ? near : map_.fields.size() - 1 - near];
      if (field.kind != Kind::kText && field.kind != Kind::kLength) return field;
    }
    return map_.fields.front();
  }

  // Two fields of the same size change places: names, offsets, types, dimensions.
  void exchange(const GgufField& a, const GgufField& b) {
    if (a.size != b.size || std::max(a.at, b.at) + a.size > bytes_.size()) return;
    for (std::size_t i = 0; i < a.size; ++i) std::swap(bytes_[a.at + i], bytes_[b.at + i]);
  }

  void cut_off() {
    std::size_t size = bytes_.size();
    bytes_.resize(random_() % 4 == 0 ? random_() % size : size - random_() % std::min<std::size_t>(64, size));
  }

  void move_piece(bool leave_out) {
    std::size_t at = random_() % std::min(map_.header_bytes, bytes_.size());
    std::size_t length = std::min<std::size_t>(1 + random_() % 64, bytes_.size() - at);
    auto begin = bytes_.begin() + static_cast<std::ptrdiff_t>(at);
    auto end = begin + static_cast<std::ptrdiff_t>(length);
    if (leave_out) {
      bytes_.erase(begin, end);
    } else {
      const Bytes piece(begin, end);
      bytes_.insert(begin, piece.begin(), piece.end());
    }
  }

  Bytes bytes_;
  const GgufMap& map_;
  std::mt19937_64& random_;
};

}  // namespace

Bytes mutant_of(const Bytes& file, const GgufMap& map, std::mt19937_64& random) {
  return Mutator(file, map, random).run();
}

}  // namespace troupe::test
