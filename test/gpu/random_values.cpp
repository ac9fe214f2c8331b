#include "test/gpu/random_values.hpp"

#include "tensor/half.hpp"

namespace troupe::test {
namespace {

void put_scale(std::byte* at, Random& random) {
  std::uint16_t half = 0;
  switch (random.below(8)) {
    case 0:
      half = static_cast<std::uint16_t>(random.below(1024));
      break;  // subnormal
    case 1:
      half = static_cast<std::uint16_t>(0x8000U | random.below(2));
      break;  // -0 or the smallest
    default:
      half = f32_to_f16(random.bell() * 0.05F);
      break;
  }
  std::memcpy(at, &half, 2);
}

}  // namespace

std::vector<std::size_t> half_offsets(DType type) {
  switch (type) {
    case DType::kQ4_0:
    case DType::kQ5_0:
    case DType::kQ8_0:
    case DType::kIq4Nl:
    case DType::kIq4Xs:
      return {0};
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return {0, 2};
    case DType::kQ2_K:
      return {80, 82};
    case DType::kQ3_K:
      return {108};
    case DType::kQ6_K:
      return {208};
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
    case DType::kMxfp4:
      break;
  }
  return {};
}

RandomRows::RandomRows(DType type, std::uint32_t rows, std::uint32_t columns, Random& random) {
  const BlockFormat& format = format_of(type);
  const std::size_t row = *row_bytes(type, columns);
  bytes_.resize(rows * row);
  for (std::byte& byte : bytes_) byte = static_cast<std::byte>(random.next() >> 32);
  for (std::size_t at = 0; at < bytes_.size(); at += format.block_bytes) {
    std::byte* const block = bytes_.data() + at;
    switch (type) {
      case DType::kF32: {
        const float w = value_of(Kind::kWild, random);
        std::memcpy(block, &w, 4);
        break;
      }
      case DType::kBF16: {
        const std::uint16_t w = f32_to_bf16(value_of(Kind::kWild, random));
        std::memcpy(block, &w, 2);
        break;
      }
      case DType::kF16:
        put_scale(block, random);
        break;
      case DType::kMxfp4:  // an exponent: the products of large ones are not finite
        block[0] = static_cast<std::byte>(random.below(4) == 0 ? random.below(4) : 100 + random.below(32));
        break;
      default:
        for (const std::size_t offset : half_offsets(type)) put_scale(block + offset, random);
        break;
    }
  }
  for (std::uint32_t i = 0; i < rows; ++i) rows_.push_back(bytes_.data() + i * row);
}

std::vector<const HostKernels*> optimised_kernels() {
  std::vector<const HostKernels*> tables;
  for (const char* name : {"avx2", "avxvnni", "avx512", "neon", "i8mm"}) {
    if (const auto kernels = select_kernels(name); kernels.ok()) tables.push_back(*kernels);
  }
  return tables;
}

}  // namespace troupe::test
