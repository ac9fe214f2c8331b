#include "test/model/tiny_model.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "tensor/half.hpp"

namespace troupe::test {
namespace {

void put_half(std::uint8_t* at, float value) {
  std::uint16_t half = f32_to_f16(value);
  std::memcpy(at, &half, sizeof half);
}

// Random bytes with the block's scales set so that values have about the wanted deviation.
void fill_block(DType type, float scale, std::mt19937_64& random, std::uint8_t* block) {
  std::normal_distribution<float> normal(0.0F, scale);
  float jitter = 0.75F + 0.5F * static_cast<float>(random() % 1024) / 1024.0F;
  switch (type) {
    case DType::kF32: {
      float value = normal(random);
      std::memcpy(block, &value, sizeof value);
      return;
    }
    case DType::kF16:
      return put_half(block, normal(random));
    case DType::kBF16: {
      std::uint16_t value = f32_to_bf16(normal(random));
      std::memcpy(block, &value, sizeof value);
      return;
    }
    case DType::kQ4_0:
      return put_half(block, scale / 4.6F * jitter);  // 4.6: deviation of a random nibble
    case DType::kQ4_1:
      put_half(block, scale / 4.6F * jitter);
      return put_half(block + 2, -7.5F * scale / 4.6F * jitter);
    case DType::kQ8_0:
      return put_half(block, scale / 74.0F * jitter);
    case DType::kQ5_0:
      return put_half(block, scale / 9.2F * jitter);
    case DType::kQ5_1:
      put_half(block, scale / 9.2F * jitter);
      return put_half(block + 2, -15.5F * scale / 9.2F * jitter);
    case DType::kQ2_K:
      put_half(block + 80, scale / 9.0F * jitter);
      return put_half(block + 82, 1.5F * scale / 9.0F * jitter);
    case DType::kQ3_K:
      return put_half(block + 108, scale / 42.0F * jitter);
    case DType::kQ4_K:
      put_half(block, scale / 166.0F * jitter);
      return put_half(block + 2, 7.5F * scale / 166.0F * jitter);
    case DType::kQ5_K:
      put_half(block, scale / 331.0F * jitter);
      return put_half(block + 2, 15.5F * scale / 331.0F * jitter);
    case DType::kIq4Nl:
      return put_half(block, scale / 68.0F * jitter);
    case DType::kIq4Xs:
      return put_half(block, scale / 1258.0F * jitter);
    case DType::kMxfp4:
      block[0] = static_cast<std::uint8_t>(128 + std::ilogb(scale / 5.0F));
      return;
    case DType::kQ6_K:
      for (int i = 0; i < 16; ++i) block[192 + i] = static_cast<std::uint8_t>(20 + random() % 40);
      return put_half(block + 208, scale / 18.5F / 40.0F * jitter);
  }
}

}  // namespace

Bytes random_blocks(DType type, std::uint64_t elements, float scale, std::uint64_t seed) {
  const BlockFormat& format = format_of(type);
  std::mt19937_64 random(seed);
  Bytes bytes(elements / format.block_elements * format.block_bytes);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  for (std::size_t at = 0; at < bytes.size(); at += format.block_bytes)
    fill_block(type, scale, random, bytes.data() + at);
  return bytes;
}

GgufWriter tiny_model(const TinyShape& s) {
  GgufWriter file;
  file.text("general.architecture", "llama").text("general.name", "tiny");
  file.u32("llama.context_length", s.context)
      .u32("llama.embedding_length", s.hidden)
      .u32("llama.block_count", s.layers);
  file.u32("llama.feed_forward_length", s.intermediate).u32("llama.attention.head_count", s.heads);
  file.u32("llama.attention.head_count_kv", s.kv_heads).u32("llama.attention.key_length", s.head_dim);
  file.u32("llama.attention.value_length", s.head_dim).u32("llama.rope.dimension_count", s.head_dim);
  file.f32("llama.attention.layer_norm_rms_epsilon", 1e-5F).f32("llama.rope.freq_base", 10000.0F);

  std::uint64_t seed = s.seed * 1000;
  auto matrix = [&](const std::string& name, std::uint64_t columns, std::uint64_t rows, DType type, float scale) {
    file.tensor(name, {columns, rows}, static_cast<std::uint32_t>(type),
                random_blocks(type, columns * rows, scale, ++seed));
  };
  auto norm = [&](const std::string& name) {
    Bytes values = random_blocks(DType::kF32, s.hidden, 0.1F, ++seed);
    for (std::size_t at = 0; at < values.size(); at += 4) {
      float gain;
      std::memcpy(&gain, values.data() + at, 4);
      gain += 1.0F;
      std::memcpy(values.data() + at, &gain, 4);
    }
    file.tensor(name, {s.hidden}, 0, values);
  };
  float in = 1.0F / std::sqrt(static_cast<float>(s.hidden)),
        across = 1.0F / std::sqrt(static_cast<float>(s.intermediate));
  std::uint64_t q = std::uint64_t{s.heads} * s.head_dim, kv = std::uint64_t{s.kv_heads} * s.head_dim;
  matrix("token_embd.weight", s.hidden, s.vocab, s.embedding_type, 0.5F);
  norm("output_norm.weight");
  if (!s.tied) matrix("output.weight", s.hidden, s.vocab, s.type, 2.0F * in);
  for (std::uint32_t layer = 0; layer < s.layers; ++layer) {
    std::string prefix = "blk." + std::to_string(layer) + ".";
    norm(prefix + "attn_norm.weight");
    matrix(prefix + "attn_q.weight", s.hidden, q, s.type, 2.0F * in);
    matrix(prefix + "attn_k.weight", s.hidden, kv, s.type, 2.0F * in);
    matrix(prefix + "attn_v.weight", s.hidden, kv, s.value_type, in);
    matrix(prefix + "attn_output.weight", q, s.hidden, s.type, in);
    norm(prefix + "ffn_norm.weight");
    matrix(prefix + "ffn_gate.weight", s.hidden, s.intermediate, s.type, in);
    matrix(prefix + "ffn_up.weight", s.hidden, s.intermediate, s.value_type, in);
    matrix(prefix + "ffn_down.weight", s.intermediate, s.hidden, s.type, across);
  }
  return file;
}

GgufWriter tiny_model_with_nan_token() {
  TinyShape shape;
  shape.embedding_type = DType::kF32;
  shape.tied = false;
  Bytes embedding = random_blocks(DType::kF32, std::uint64_t{shape.hidden} * shape.vocab, 0.5F, 1);
  float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(embedding.data() + (7 * shape.hidden + 5) * sizeof nan, &nan, sizeof nan);
  return tiny_model(shape)
      .without_tensor("token_embd.weight")
      .tensor("token_embd.weight", {shape.hidden, shape.vocab}, 0, embedding);
}

GgufWriter tiny_model_with_tokenizer(TinyShape shape) {
  shape.vocab = std::max(shape.vocab, 264U);
  GgufWriter file = tiny_model(shape);
  // Single bytes by the alphabet of byte-level BPE, a few merges, then control tokens.
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;
  auto utf8 = [](std::uint32_t c) {
    if (c < 0x80) return std::string(1, static_cast<char>(c));
    return std::string{static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  };
  std::uint32_t moved = 0x100;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    tokens.push_back(utf8(printable ? byte : moved++));
    types.push_back(1);
  }
  for (const char* merged : {"ab", "th", "the"}) {
    tokens.push_back(merged);
    types.push_back(1);
  }
  for (std::uint32_t i = 259; i < shape.vocab; ++i) {
    tokens.push_back("<|control_" + std::to_string(i) + "|>");
    types.push_back(3);
  }
  file.text("tokenizer.ggml.model", "gpt2")
      .text("tokenizer.ggml.pre", "gpt-2")
      .strings("tokenizer.ggml.tokens", tokens);
  file.integers("tokenizer.ggml.token_type", types).strings("tokenizer.ggml.merges", {"a b", "t h", "th e"});
  return file.u32("tokenizer.ggml.bos_token_id", 259).u32("tokenizer.ggml.eos_token_id", 260);
}

}  // namespace troupe::test
