#include "tensor/quantize.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "tensor/block_codes.hpp"
#include "tensor/half.hpp"

namespace troupe {
namespace {

constexpr int kCandidates = 10;         // on either side of the scale that the extremes give
constexpr double kCandidateStep = 0.1;  // of a code

// What is stored as a half has that value.
float as_half(double value) { return f16_to_f32(f32_to_f16(static_cast<float>(value))); }
void put_half(std::byte* at, float value) {
  const std::uint16_t half = f32_to_f16(value);
  std::memcpy(at, &half, sizeof half);
}
int nearest(double value) { return static_cast<int>(std::nearbyint(std::clamp(value, -1e6, 1e6))); }
int code_of(double value, double d, int low, int high) {
  return d == 0 ? std::clamp(0, low, high) : std::clamp(nearest(value / d), low, high);
}

// An error matters more where the value is large, and a little everywhere.
void weigh(const float* x, std::size_t n, double* weights) {
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * x[i];
  const double floor = std::sqrt(squares / static_cast<double>(n));
  for (std::size_t i = 0; i < n; ++i) weights[i] = floor + std::fabs(x[i]);
}

constexpr std::size_t kGroupMax = 32;

// x ~ d * q, q in [low, high]; -low >= high. Returns d, of either sign: the largest value gets the longer side.
double fit(const float* x, std::size_t n, int low, int high) {
  double weights[kGroupMax];
  weigh(x, n, weights);
  double extreme = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  if (extreme == 0) return 0;
  double best_gain = -1, best = 0;
  for (int step = -kCandidates; step <= kCandidates; ++step) {
    const double inverse = (low + kCandidateStep * step) / extreme;
    double qx = 0, qq = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double q = std::clamp(nearest(x[i] * inverse), low, high);
      qx += weights[i] * q * x[i];
      qq += weights[i] * q * q;
    }
    if (qq > 0 && qx * qx / qq > best_gain) best_gain = qx * qx / qq, best = qx / qq;
  }
  return best;
}

// x ~ d * q + m, q in [0, levels], d >= 0. With `negative_min` m <= 0.
struct Line {
  double d = 0, m = 0;
};
Line fit_line(const float* x, std::size_t n, int levels, bool negative_min) {
  double weights[kGroupMax];
  weigh(x, n, weights);
  auto [low, high] = std::minmax_element(x, x + n);
  const double min = negative_min ? std::min(*low, 0.0F) : *low;
  if (*high <= min) return {0, min};
  double sum_w = 0, sum_x = 0;
  for (std::size_t i = 0; i < n; ++i) sum_w += weights[i], sum_x += weights[i] * x[i];
  Line best{(*high - min) / levels, min};
  double best_error = -1;
  const auto consider = [&](Line line, const int* codes) {
    double error = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double off = line.d * codes[i] + line.m - x[i];
      error += weights[i] * off * off;
    }
    if (best_error < 0 || error < best_error) best_error = error, best = line;
  };
  for (int step = -kCandidates; step <= kCandidates; ++step) {
    const double inverse = (levels + kCandidateStep * step) / (*high - min);
    int codes[kGroupMax];
    double sum_q = 0, sum_qq = 0, sum_qx = 0;
    for (std::size_t i = 0; i < n; ++i) {
      codes[i] = std::clamp(nearest((x[i] - min) * inverse), 0, levels);
      sum_q += weights[i] * codes[i];
      sum_qq += weights[i] * codes[i] * codes[i];
      sum_qx += weights[i] * codes[i] * x[i];
    }
    if (step == 0) consider({(*high - min) / levels, min}, codes);
    const double determinant = sum_w * sum_qq - sum_q * sum_q;
    if (determinant <= 0) continue;
    Line line{(sum_w * sum_qx - sum_x * sum_q) / determinant, (sum_qq * sum_x - sum_q * sum_qx) / determinant};
    if (negative_min && line.m > 0) line = {sum_qx / sum_qq, 0};
    if (line.d > 0) consider(line, codes);
  }
  return best;
}

void put_nibbles(const std::uint8_t* codes, std::byte* out) {  // of 32
  for (std::size_t i = 0; i < 16; ++i) out[i] = static_cast<std::byte>((codes[i] & 15U) | (codes[i + 16] & 15U) << 4);
}
void put_fifth_bits(const std::uint8_t* codes, std::byte* out) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < 32; ++i) bits |= static_cast<std::uint32_t>(codes[i] >> 4) << i;
  std::memcpy(out, &bits, sizeof bits);
}

void write_f32(const float* values, std::size_t count, std::byte* out) {
  std::memcpy(out, values, count * sizeof(float));
}
void write_f16(const float* values, std::size_t count, std::byte* out) {
  for (std::size_t i = 0; i < count; ++i) put_half(out + 2 * i, values[i]);
}
void write_bf16(const float* values, std::size_t count, std::byte* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t brain = f32_to_bf16(values[i]);
    std::memcpy(out + 2 * i, &brain, sizeof brain);
  }
}

void write_q8_0(const float* x, std::size_t count, std::byte* out) {
  for (; count > 0; --count, x += 32, out += 34) {
    float max = 0;
    for (int i = 0; i < 32; ++i) max = std::max(max, std::fabs(x[i]));
    const float d = as_half(max / 127.0);
    put_half(out, d);
    for (int i = 0; i < 32; ++i) out[2 + i] = static_cast<std::byte>(code_of(x[i], d, -127, 127));
  }
}

// Q4_0 and Q5_0: d, [fifth bits,] nibbles of q + zero.
template <int kZero>
void write_symmetric(const float* x, std::size_t count, std::byte* out) {
  constexpr bool kFive = kZero == 16;
  for (; count > 0; --count, x += 32, out += kFive ? 22 : 18) {
    const float d = as_half(fit(x, 32, -kZero, kZero - 1));
    std::uint8_t codes[32];
    for (int i = 0; i < 32; ++i) codes[i] = static_cast<std::uint8_t>(code_of(x[i], d, -kZero, kZero - 1) + kZero);
    put_half(out, d);
    if (kFive) put_fifth_bits(codes, out + 2);
    put_nibbles(codes, out + (kFive ? 6 : 2));
  }
}

// Q4_1 and Q5_1: d, m, [fifth bits,] nibbles.
template <int kLevels>
void write_line(const float* x, std::size_t count, std::byte* out) {
  constexpr bool kFive = kLevels == 31;
  for (; count > 0; --count, x += 32, out += kFive ? 24 : 20) {
    const Line line = fit_line(x, 32, kLevels, false);
    const float d = as_half(line.d);
    const float m = as_half(line.m);
    std::uint8_t codes[32];
    for (int i = 0; i < 32; ++i)
      codes[i] = static_cast<std::uint8_t>(code_of(static_cast<double>(x[i]) - m, d, 0, kLevels));
    put_half(out, d);
    put_half(out + 2, m);
    if (kFive) put_fifth_bits(codes, out + 4);
    put_nibbles(codes, out + (kFive ? 8 : 4));
  }
}

// The values stand at uneven steps: the nearest one, for a scale that is searched as if they were even.
void write_iq4_nl(const float* x, std::size_t count, std::byte* out) {
  const auto& values = blocks::kIq4Values;
  std::array<double, 15> borders{};  // between neighbours; they ascend
  for (std::size_t i = 0; i < borders.size(); ++i) borders[i] = 0.5 * (values[i] + values[i + 1]);
  const auto nearest_code = [&](double value) {
    return static_cast<std::size_t>(std::upper_bound(borders.begin(), borders.end(), value) - borders.begin());
  };
  for (; count > 0; --count, x += 32, out += 18) {
    double weights[32];
    weigh(x, 32, weights);
    double extreme = 0;
    for (int i = 0; i < 32; ++i) {
      if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
    }
    double best_gain = -1, best = 0;
    for (int step = -kCandidates; step <= kCandidates && extreme != 0; ++step) {
      const double inverse = (values[0] + step) / extreme;
      double qx = 0, qq = 0;
      for (int i = 0; i < 32; ++i) {
        const double q = values[nearest_code(x[i] * inverse)];
        qx += weights[i] * q * x[i];
        qq += weights[i] * q * q;
      }
      if (qq > 0 && qx * qx / qq > best_gain) best_gain = qx * qx / qq, best = qx / qq;
    }
    const float d = as_half(best);
    std::uint8_t codes[32];
    for (int i = 0; i < 32; ++i) codes[i] = static_cast<std::uint8_t>(nearest_code(d == 0 ? 0 : x[i] / d));
    put_half(out, d);
    put_nibbles(codes, out + 2);
  }
}

// Q4_K and Q5_K: a scale and a minimum of 6 bits for each 32, two halves for all of them.
template <int kLevels>
void write_k(const float* x, std::size_t count, std::byte* out) {
  constexpr bool kFive = kLevels == 31;
  constexpr std::size_t kBytes = kFive ? blocks::q45_k::kBytes5 : blocks::q45_k::kBytes4;
  for (; count > 0; --count, x += 256, out += kBytes) {
    Line lines[8];
    double d_max = 0, m_max = 0;
    for (int j = 0; j < 8; ++j) {
      lines[j] = fit_line(x + 32 * j, 32, kLevels, true);
      d_max = std::max(d_max, lines[j].d);
      m_max = std::max(m_max, -lines[j].m);
    }
    const float d = as_half(d_max / 63);
    const float d_min = as_half(m_max / 63);
    std::memset(out, 0, kBytes);
    put_half(out, d);
    put_half(out + 2, d_min);
    std::byte* scales = out + 4;
    std::byte* fifth = out + 16;
    std::byte* nibbles = out + (kFive ? 48 : 16);
    for (int j = 0; j < 8; ++j) {
      const auto scale = static_cast<unsigned>(code_of(lines[j].d, d, 0, 63));
      const auto min = static_cast<unsigned>(code_of(-lines[j].m, d_min, 0, 63));
      if (j < 4) {
        scales[j] |= static_cast<std::byte>(scale);
        scales[j + 4] |= static_cast<std::byte>(min);
      } else {
        scales[j + 4] = static_cast<std::byte>((scale & 15U) | (min & 15U) << 4);
        scales[j - 4] |= static_cast<std::byte>(scale >> 4 << 6);
        scales[j] |= static_cast<std::byte>(min >> 4 << 6);
      }
      const double step = static_cast<double>(d) * scale;
      const double offset = static_cast<double>(d_min) * min;
      for (int i = 0; i < 32; ++i) {
        const auto code = static_cast<unsigned>(code_of(x[32 * j + i] + offset, step, 0, kLevels));
        nibbles[j / 2 * 32 + i] |= static_cast<std::byte>((code & 15U) << (j % 2 == 0 ? 0 : 4));
        if (kFive) fifth[i] |= static_cast<std::byte>(code >> 4 << j);
      }
    }
  }
}

void write_q6_k(const float* x, std::size_t count, std::byte* out) {
  using namespace blocks::q6_k;
  for (; count > 0; --count, x += 256, out += kBytes) {
    double fits[16];
    double max = 0;
    for (int j = 0; j < 16; ++j) {
      fits[j] = fit(x + 16 * j, 16, -32, 31);
      max = std::max(max, std::fabs(fits[j]));
    }
    const float d = as_half(max / 127);
    std::memset(out, 0, kBytes);
    put_half(out + kD, d);
    for (int e = 0; e < 256; ++e) {
      const int scale = code_of(fits[e / 16], d, -127, 127);
      out[192 + e / 16] = static_cast<std::byte>(scale);
      const auto code = static_cast<unsigned>(code_of(x[e], static_cast<double>(d) * scale, -32, 31) + 32);
      const int half = e / 128, part = e % 128 / 32, lane = e % 32;
      out[64 * half + lane + 32 * (part % 2)] |= static_cast<std::byte>((code & 15U) << (part < 2 ? 0 : 4));
      out[128 + 32 * half + lane] |= static_cast<std::byte>(code >> 4 << (2 * part));
    }
  }
}

}  // namespace

QuantizeBlocks quantizer_of(DType type) {
  switch (type) {
    case DType::kF32:
      return write_f32;
    case DType::kF16:
      return write_f16;
    case DType::kBF16:
      return write_bf16;
    case DType::kQ4_0:
      return write_symmetric<8>;
    case DType::kQ5_0:
      return write_symmetric<16>;
    case DType::kQ4_1:
      return write_line<15>;
    case DType::kQ5_1:
      return write_line<31>;
    case DType::kQ8_0:
      return write_q8_0;
    case DType::kQ4_K:
      return write_k<15>;
    case DType::kQ5_K:
      return write_k<31>;
    case DType::kQ6_K:
      return write_q6_k;
    case DType::kIq4Nl:
      return write_iq4_nl;
    case DType::kQ2_K:
    case DType::kQ3_K:
    case DType::kIq4Xs:
    case DType::kMxfp4:
      break;
  }
  return nullptr;
}

}  // namespace troupe
