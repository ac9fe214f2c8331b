// R040, R041: weights written anew in another type.
#include "tensor/quantize.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>

#include "model/gguf/gguf_file.hpp"
#include "model/quantize_model.hpp"
#include "test/model/golden.hpp"
#include "test/model/tiny_model.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

std::vector<float> normal_values(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = 0.05F * normal(random);
  return values;
}

std::vector<float> there_and_back(DType type, const std::vector<float>& values) {
  const BlockFormat& format = format_of(type);
  std::size_t count = values.size() / format.block_elements;
  std::vector<std::byte> blocks(count * format.block_bytes);
  quantizer_of(type)(values.data(), count, blocks.data());
  std::vector<float> back(values.size());
  format.dequantize(blocks.data(), count, back.data());
  return back;
}

double relative_rms(const std::vector<float>& values, const std::vector<float>& back) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    error += std::pow(static_cast<double>(values[i]) - back[i], 2);
    size += std::pow(static_cast<double>(values[i]), 2);
  }
  return std::sqrt(error / size);
}

// The plainest way there is: 32 values, even steps from the smallest to the largest, or between minus and plus the
// largest.
double plain_rms(const std::vector<float>& values, int levels, bool has_min) {
  std::vector<float> back(values.size());
  for (std::size_t begin = 0; begin < values.size(); begin += 32) {
    auto [low, high] = std::minmax_element(values.begin() + static_cast<std::ptrdiff_t>(begin),
                                           values.begin() + static_cast<std::ptrdiff_t>(begin + 32));
    float largest = std::max(std::fabs(*low), std::fabs(*high));
    float min = has_min ? *low : -largest;
    float step = (has_min ? *high - *low : 2 * largest) / static_cast<float>(levels);
    for (std::size_t i = begin; i < begin + 32; ++i) back[i] = min + step * std::round((values[i] - min) / step);
  }
  return relative_rms(values, back);
}

}  // namespace

TEST_CASE("R041: a searched scale leaves less error than the plainest one of as many codes") {
  auto values = normal_values(256 * 64, 1);
  struct Case {
    DType type;
    int levels;
    bool has_min;
    double at_most;  // of the plain error
  };
  for (const Case& c :
       {Case{DType::kQ4_0, 14, false, 0.95}, Case{DType::kQ4_1, 15, true, 0.97}, Case{DType::kQ5_0, 30, false, 0.99},
        Case{DType::kQ5_1, 31, true, 0.99}, Case{DType::kQ8_0, 254, false, 1.01}, Case{DType::kQ4_K, 15, true, 1.0},
        Case{DType::kQ5_K, 31, true, 1.02}, Case{DType::kIq4Nl, 14, false, 0.9}, Case{DType::kQ6_K, 62, false, 0.95}}) {
    double error = relative_rms(values, there_and_back(c.type, values));
    INFO(format_of(c.type).name << " " << error);
    CHECK(error <= c.at_most * plain_rms(values, c.levels, c.has_min));
  }
}

TEST_CASE("R041: blocks that are all zero, all equal or tiny come back as they were, as far as a half can say it") {
  for (const BlockFormat& format : block_formats()) {
    if (quantizer_of(format.type) == nullptr) continue;
    CAPTURE(format.name);
    std::vector<float> zeros(256, 0.0F);
    CHECK(there_and_back(format.type, zeros) == zeros);
    for (float value : there_and_back(format.type, std::vector<float>(256, 0.5F)))
      CHECK(value == Approx(0.5).epsilon(0.01));
    for (float value : there_and_back(format.type, std::vector<float>(256, -0.5F))) {
      CHECK(value == Approx(-0.5).epsilon(0.01));
    }
    for (float value : there_and_back(format.type, std::vector<float>(256, 1e-30F))) CHECK(std::fabs(value) <= 1e-29F);
  }
}

TEST_CASE("R040, R041: a model that was written anew is the same model, to what its type can say") {
  TinyShape shape;
  shape.type = shape.value_type = shape.embedding_type = DType::kF32;
  shape.hidden = 256, shape.intermediate = 512, shape.heads = 4, shape.kv_heads = 2, shape.head_dim = 64;
  TemporaryFile source(tiny_model(shape).bytes());
  auto original = GgufFile::open(source.path());
  REQUIRE(original.ok());
  for (DType type :
       {DType::kF16, DType::kQ8_0, DType::kQ6_K, DType::kQ5_K, DType::kQ4_K, DType::kQ4_0, DType::kIq4Nl}) {
    INFO(format_of(type).name);
    std::string path = source.path() + ".quantized";
    auto done = quantize_model(source.path(), path, type, 2);
    REQUIRE(done.ok());
    CHECK_FALSE(std::filesystem::exists(path + ".part"));
    auto written = GgufFile::open(path);
    REQUIRE(written.ok());
    CHECK(written->metadata().size() >= original->metadata().size());
    CHECK(*written->metadata().text("general.architecture") == "llama");
    CHECK(written->tensors().all().size() == original->tensors().all().size());
    std::vector<float> before(shape.hidden), after(shape.hidden);
    for (const auto& [name, tensor] : original->tensors().all()) {
      CAPTURE(name);
      const GgufTensor& now = *written->tensors().find(name);
      CHECK(now.shape == tensor.shape);
      if (tensor.dimensions < 2) {
        CHECK(now.type == tensor.type);
        continue;
      }
      if (name.starts_with("blk.")) CHECK(now.type == type);
      if (tensor.shape[0] != shape.hidden) continue;
      dequantize_row(tensor.type, tensor.row(1), shape.hidden, before.data());
      dequantize_row(now.type, now.row(1), shape.hidden, after.data());
      CHECK(relative_rms(before, after) < 0.1);
    }
    CHECK(load_weights(path)->hyper.vocab_size == 96);
    std::filesystem::remove(path);
  }
}

TEST_CASE("R041: rows that are no whole blocks of 256 get the nearest type with blocks of 32") {
  TinyShape shape;
  shape.type = shape.value_type = shape.embedding_type = DType::kF32;
  TemporaryFile source(tiny_model(shape).bytes());  // 64 columns
  std::string path = source.path() + ".quantized";
  REQUIRE(quantize_model(source.path(), path, DType::kQ4_K, 1).ok());
  auto written = GgufFile::open(path);
  REQUIRE(written.ok());
  CHECK(written->tensors().find("blk.0.attn_q.weight")->type == DType::kQ5_0);
  CHECK(written->tensors().find("token_embd.weight")->type == DType::kQ8_0);
  std::filesystem::remove(path);
}

TEST_CASE("R040: what cannot be written or read is said, and nothing is left behind") {
  TemporaryFile source(tiny_model({}).bytes());
  auto no_type = quantize_model(source.path(), source.path() + ".q", DType::kQ2_K, 1);
  REQUIRE_FALSE(no_type.ok());
  CHECK_THAT(no_type.error().message, Catch::StartsWith("Q2_K can be read, not written"));
  auto no_room = quantize_model(source.path(), "/no/such/folder/x.gguf", DType::kQ8_0, 1);
  REQUIRE_FALSE(no_room.ok());
  CHECK(no_room.error().code == ErrorCode::kConfiguration);
  CHECK_THAT(no_room.error().message, Catch::Contains("/no/such/folder/x.gguf.part"));
  auto no_source = quantize_model("/no/such/file.gguf", source.path() + ".q", DType::kQ8_0, 1);
  REQUIRE_FALSE(no_source.ok());
  CHECK_THAT(no_source.error().message, Catch::Contains("/no/such/file.gguf"));
  CHECK_FALSE(std::filesystem::exists(source.path() + ".q"));
  CHECK_FALSE(std::filesystem::exists(source.path() + ".q.part"));
}

TEST_CASE("R041: a value beyond what a type can hold is an error, not an infinity in the file") {
  TinyShape shape;
  shape.type = shape.value_type = shape.embedding_type = DType::kF32;
  Bytes bytes = tiny_model(shape).bytes();
  const float huge = 1e12F;
  std::memcpy(bytes.data() + bytes.size() - 40, &huge, sizeof huge);  // in the last matrix
  TemporaryFile source(bytes);
  for (DType type : {DType::kF16, DType::kQ8_0, DType::kQ4_1}) {
    auto done = quantize_model(source.path(), source.path() + ".q", type, 1);
    REQUIRE_FALSE(done.ok());
    CHECK_THAT(done.error().message,
               Catch::Contains("has a value that is too large for " + std::string(format_of(type).name)));
  }
  CHECK(quantize_model(source.path(), source.path() + ".q", DType::kBF16, 1).ok());
  std::filesystem::remove(source.path() + ".q");
}
