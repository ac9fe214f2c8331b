#include "test/model/gguf_fields.hpp"

#include <stdexcept>
#include <string>

namespace troupe::test {
namespace {

using Kind = GgufField::Kind;

class Mapper {
 public:
  explicit Mapper(const Bytes& file) : file_(file) {}

  GgufMap run() {
    at_ = 4;
    number(Kind::kVersion, 4);
    std::uint64_t tensors = number(Kind::kTensorCount, 8), keys = number(Kind::kKeyCount, 8);
    for (std::uint64_t i = 0; i < keys; ++i) {
      bool is_alignment = text() == "general.alignment";
      value(number(Kind::kValueType, 4), is_alignment ? Kind::kAlignment : Kind::kValue);
    }
    for (std::uint64_t i = 0; i < tensors; ++i) {
      text();
      std::uint64_t dimensions = number(Kind::kDimensionCount, 4);
      for (std::uint64_t d = 0; d < dimensions; ++d) number(Kind::kDimension, 8);
      number(Kind::kTensorType, 4);
      number(Kind::kOffset, 8);
    }
    map_.header_bytes = at_;
    return std::move(map_);
  }

 private:
  std::uint64_t number(Kind kind, std::size_t size) {
    if (at_ + size > file_.size()) throw std::runtime_error("not a valid GGUF file");
    std::uint64_t value = 0;
    std::memcpy(&value, file_.data() + at_, size);
    map_.fields.push_back({kind, at_, size});
    at_ += size;
    return value;
  }

  std::string text() {
    std::uint64_t length = number(Kind::kLength, 8);
    if (at_ + length > file_.size()) throw std::runtime_error("not a valid GGUF file");
    std::string text(file_.begin() + static_cast<std::ptrdiff_t>(at_),
                     file_.begin() + static_cast<std::ptrdiff_t>(at_ + length));
    if (length > 0) map_.fields.push_back({Kind::kText, at_, static_cast<std::size_t>(length)});
    at_ += length;
    return text;
  }

  void value(std::uint64_t type, Kind kind) {
    constexpr std::size_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};  // by type; 8 a string, 9 an array
    if (type == 8) {
      text();
    } else if (type == 9) {
      std::uint64_t element = number(Kind::kValueType, 4), count = number(Kind::kArrayCount, 8);
      for (std::uint64_t i = 0; i < count; ++i) value(element, Kind::kValue);
    } else {
      number(kind, kSizes[type]);
    }
  }

  const Bytes& file_;
  std::size_t at_ = 0;
  GgufMap map_;
};

}  // namespace

GgufMap map_of(const Bytes& file) { return Mapper(file).run(); }

}  // namespace troupe::test
