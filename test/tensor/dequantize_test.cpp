// The CRCs are of what ggml's own dequantise functions wrote for the same blocks (byte i = 37 i + 11, then d = 0.0123
// and m = -0.0456 as halves): CRC-32 as in zlib over the little-endian floats after adding +0.
#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <vector>

#include "tensor/dtype.hpp"
#include "tensor/half.hpp"

namespace troupe {
namespace {

std::uint32_t crc32(const std::vector<float>& values) {
  std::vector<std::uint8_t> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

struct Golden {
  DType type;
  std::size_t d_at;
  std::size_t m_at;  // 0: none
  std::uint32_t crc;
  float first, second, middle, last;
};

constexpr Golden kGolden[] = {
    {DType::kQ4_0, 0, 0, 0x43d186a5, -0.036895752F, 0.024597168F, -0.036895752F, 0.0F},
    {DType::kQ4_1, 0, 2, 0x8dfda97d, 0.138885498F, 0.00360107422F, 0.0650939941F, 0.101989746F},
    {DType::kQ5_0, 0, 0, 0xe1669fa7, 0.110687256F, -0.024597168F, 0.172180176F, 0.012298584F},
    {DType::kQ5_1, 0, 2, 0x227bca16, 0.188079834F, 0.249572754F, 0.188079834F, 0.0158996582F},
    {DType::kQ8_0, 0, 0, 0xe0bcce68, 1.04537964F, 1.50042725F, -1.11917114F, -0.590332031F},
    {DType::kQ2_K, 80, 82, 0xe8b9b2cd, 0.405853271F, 0.0F, 0.247467041F, 0.210571289F},
    {DType::kQ3_K, 108, 0, 0x5c985a63, 0.996185303F, -1.32824707F, 0.024597168F, 0.516540527F},
    {DType::kQ4_K, 0, 2, 0xb6a265a5, 6.51907349F, 2.32525635F, 5.82321167F, 2.4074707F},
    {DType::kQ5_K, 0, 2, 0x1105e6da, 12.6191711F, 2.32525635F, 13.4975281F, 3.14538574F},
    {DType::kQ6_K, 208, 0, 0x1d030415, -17.5992737F, 20.8583984F, -4.31680298F, -0.737915039F},
    {DType::kIq4Nl, 0, 0, 0x0779158b, -0.430450439F, 0.3074646F, -0.430450439F, 0.012298584F},
    {DType::kIq4Xs, 0, 0, 0x445bf9e9, 0.799407959F, -0.012298584F, -7.19467163F, -0.196777344F},
    {DType::kMxfp4, 0, 0, 0x191b8a41, 0.0F, 0.0234375F, 0.01171875F, 0.0234375F},
};

std::vector<std::byte> golden_block(const Golden& golden) {
  std::vector<std::byte> block(format_of(golden.type).block_bytes);
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<std::byte>((37 * i + 11) % 256);
  const std::uint16_t d = f32_to_f16(0.0123F);
  const std::uint16_t m = f32_to_f16(-0.0456F);
  if (golden.type == DType::kMxfp4) {
    block[0] = std::byte{120};  // its exponent
    return block;
  }
  std::memcpy(block.data() + golden.d_at, &d, 2);
  if (golden.m_at != 0) std::memcpy(block.data() + golden.m_at, &m, 2);
  return block;
}

}  // namespace

TEST_CASE("a row that is no whole number of blocks is an error that names the type") {
  const auto bytes = row_bytes(DType::kQ6_K, 576);
  REQUIRE_FALSE(bytes.ok());
  CHECK(bytes.error().code == ErrorCode::kModelFile);
  CHECK(bytes.error().message == "a row of 576 values is no whole number of Q6_K blocks of 256");
}

TEST_CASE("a row longer than 64 bits can count is an error") {
  CHECK_FALSE(row_bytes(DType::kF32, std::uint64_t{1} << 63).ok());
}

TEST_CASE("an unknown ggml id has no format") {
  CHECK(find_format(4) == nullptr);  // Q4_2 is gone
  CHECK(find_format(0xFFFFFFFFU) == nullptr);
}

TEST_CASE("every block format knows its size") {
  CHECK(*row_bytes(DType::kQ4_0, 576) == 576 / 32 * 18);
  CHECK(*row_bytes(DType::kQ4_1, 576) == 576 / 32 * 20);
  CHECK(*row_bytes(DType::kQ8_0, 576) == 576 / 32 * 34);
  CHECK(*row_bytes(DType::kQ6_K, 512) == 2 * 210);
  CHECK(*row_bytes(DType::kF32, 3) == 12);
  CHECK(*row_bytes(DType::kF16, 3) == 6);
  CHECK(*row_bytes(DType::kBF16, 3) == 6);
  for (const BlockFormat& format : block_formats()) CHECK(&format_of(format.type) == &format);
}

TEST_CASE("dequantisation equals ggml's bit for bit") {
  for (const Golden& golden : kGolden) {
    CAPTURE(format_of(golden.type).name);
    const auto block = golden_block(golden);
    std::vector<float> values(format_of(golden.type).block_elements);
    dequantize_row(golden.type, block.data(), values.size(), values.data());
    CHECK(values[0] == golden.first);
    CHECK(values[1] == golden.second);
    CHECK(values[values.size() / 2] == golden.middle);
    CHECK(values.back() == golden.last);
    for (float& value : values) value += 0.0F;
    CHECK(crc32(values) == golden.crc);
  }
}

// E8M0, the scale of the OCP Microscaling Formats 1.0: 2^(byte - 127), and 255 is NaN. A code's 1 is 2 halves here.
TEST_CASE("the scale of an MXFP4 block is a power of two, but for the one that is no number") {
  std::vector<std::byte> block(17, std::byte{0x22});  // 32 times the code of 1.0
  float values[32];
  const auto first_of = [&](unsigned exponent) {
    block[0] = static_cast<std::byte>(exponent);
    dequantize_row(DType::kMxfp4, block.data(), 32, values);
    return values[0];
  };
  for (unsigned exponent = 0; exponent < 255; ++exponent) {
    CHECK(first_of(exponent) == std::ldexp(1.0F, static_cast<int>(exponent) - 127));
  }
  first_of(255);
  CHECK(std::all_of(values, values + 32, [](float value) { return std::isnan(value); }));
}

TEST_CASE("floats and halves of a row come out as they are, also from an odd address") {
  std::vector<std::byte> bytes(1 + 12);
  const float source[3] = {1.5F, -0.0F, 3e-40F};
  std::memcpy(bytes.data() + 1, source, 12);
  float out[3];
  dequantize_row(DType::kF32, bytes.data() + 1, 3, out);
  for (int i = 0; i < 3; ++i) CHECK(std::bit_cast<std::uint32_t>(out[i]) == std::bit_cast<std::uint32_t>(source[i]));

  const std::uint16_t halves[3] = {0x3C00, 0xC000, 0x0001};  // 1, -2, 2^-24
  std::memcpy(bytes.data() + 1, halves, 6);
  dequantize_row(DType::kF16, bytes.data() + 1, 3, out);
  CHECK(out[0] == 1.0F);
  CHECK(out[1] == -2.0F);
  CHECK(out[2] == 0x1p-24F);

  const std::uint16_t bfloats[2] = {0x3F80, 0xC040};  // 1, -3
  std::memcpy(bytes.data() + 1, bfloats, 4);
  dequantize_row(DType::kBF16, bytes.data() + 1, 2, out);
  CHECK(out[0] == 1.0F);
  CHECK(out[1] == -3.0F);
}

}  // namespace troupe
