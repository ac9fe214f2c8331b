#pragma once
// Small random models of architecture llama, in any supported weight type, made from a seed.
#include <cstdint>

#include "tensor/dtype.hpp"
#include "test/model/gguf_writer.hpp"

namespace troupe::test {

struct TinyShape {
  std::uint32_t hidden = 64;
  std::uint32_t layers = 2;
  std::uint32_t heads = 4;
  std::uint32_t kv_heads = 2;
  std::uint32_t head_dim = 16;
  std::uint32_t intermediate = 128;
  std::uint32_t vocab = 96;
  std::uint32_t context = 512;
  DType type = DType::kQ4_1;        // of the matrices
  DType value_type = DType::kQ4_1;  // of attn_v and ffn_up: another one makes a mixed file
  DType embedding_type = DType::kQ8_0;
  bool tied = true;
  std::uint64_t seed = 1;
};

// Blocks whose values look like trained weights: about normal, with a deviation of `scale`.
Bytes random_blocks(DType type, std::uint64_t elements, float scale, std::uint64_t seed);

GgufWriter tiny_model(const TinyShape& shape);
// The embedding of token 7 has a NaN; the head is another matrix.
GgufWriter tiny_model_with_nan_token();

// The same with a byte-level BPE tokenizer of little more than single bytes, so that it loads as a whole. vocab is at
// least 264.
GgufWriter tiny_model_with_tokenizer(TinyShape shape);

}  // namespace troupe::test
