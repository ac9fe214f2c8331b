#pragma once
// A model as the host's kernels read it: weights repacked once, immutable, shared by every runner. Independent of the
// file it came from, which may go away.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gpu/host/kernels.hpp"
#include "gpu/host/kv_layout.hpp"
#include "gpu/host/packed_matrix.hpp"
#include "gpu/host/rope_table.hpp"
#include "gpu/host/thread_pool.hpp"
#include "model/architectures/model_description.hpp"
#include "model/host_engine/content_hash.hpp"
#include "model/host_engine/host_formats.hpp"
#include "runtime/request.hpp"
#include "tensor/storage.hpp"

namespace troupe {

// A linear layer whose outputs lie side by side: one matrix when all its parts have the same type in the file, else a
// matrix a part. `first_column` is a multiple of 16.
struct FusedLinear {
  struct Part {
    PackedMatrix matrix;
    std::uint32_t first_column = 0;
    std::vector<float> bias;  // [16 * matrix.tiles], or empty

    const float* bias_or_null() const { return bias.empty() ? nullptr : bias.data(); }
  };
  std::vector<Part> parts;

  bool takes_codes() const { return std::any_of(parts.begin(), parts.end(), is_of_codes); }
  bool takes_floats() const { return !std::all_of(parts.begin(), parts.end(), is_of_codes); }

 private:
  static bool is_of_codes(const Part& part) { return has_codes(part.matrix.format); }
};

// Norms that are empty are not there.
struct HostLayer {
  std::vector<float> attn_norm;
  FusedLinear qkv;                    // q heads, k heads, v heads
  std::vector<float> q_norm, k_norm;  // [head_dim]
  PackedMatrix o;
  std::vector<float> o_bias;  // [16 * o.tiles], or empty
  std::vector<float> post_attention_norm;
  std::vector<float> ffn_norm;
  FusedLinear gate_up;  // one part: gate and up interleaved, one epilogue for both; two: gate, up
  PackedMatrix down;
  std::vector<float> post_ffw_norm;
  std::uint32_t attention = 0;  // which of HostModel::attention
};

// How some of the layers attend.
struct HostAttention {
  RopeTable rope;
  std::uint32_t window = 0;
};

// What became of the file's matrices: how many of them are in one packed format, and their bytes there.
struct PackedShare {
  std::uint32_t matrices = 0;
  std::uint64_t bytes = 0;
};

struct HostModel {
  HyperParameters hyper;  // context_length: positions this model was loaded for
  KvLayout kv_layout;
  std::vector<HostLayer> layers;
  std::vector<float> output_norm;
  PackedMatrix head;
  DType embedding_type = DType::kF32;
  std::size_t embedding_row_bytes = 0;
  Storage embeddings;  // [vocab_size] rows in the file's own format
  std::vector<HostAttention> attention;
  float score_scale = 0.0F;
  float embedding_scale = 1.0F;
  Epilogue activation = Epilogue::kSiluMul;
  std::uint64_t weights_bytes = 0;
  std::array<PackedShare, kPackedFormats> packed;  // by PackedFormat
  std::string numerics_class;                      // the same on every instruction set
  Arena arena;                                     // owns what the packed matrices point at

  bool has_floats() const {
    return packed[kCodeFormats].matrices + packed[kCodeFormats + 1].matrices + packed[kCodeFormats + 2].matrices > 0;
  }
  bool has_post_norms() const { return !layers.front().post_attention_norm.empty(); }
  // Keeps the weights in RAM; false: the system forbids it.
  bool pin_memory() const { return arena.pin() && embeddings.pin(false); }
  const std::byte* embedding(TokenId token) const {
    return embeddings.data() + static_cast<std::size_t>(token) * embedding_row_bytes;
  }
};

// Called on the loading thread with the part of the bytes that is done, 0 to 1.
using LoadProgress = std::function<void(double fraction)>;

// Packs on all threads of `pool`; each thread is the first to touch what it packs. `context` is the number of positions
// to serve, at most the model's own. `forget` is told of tensors that are packed. `header` is everything of the file
// before the tensor data: it is part of the numerics class.
Result<std::shared_ptr<const HostModel>> make_host_model(const ModelDescription& description,
                                                         const TensorTable& tensors,
                                                         std::span<const std::uint8_t> header, std::uint32_t context,
                                                         const HostFormats& formats, ThreadPool& pool,
                                                         const LoadProgress& progress = {},
                                                         const ForgetBytes& forget = {});

}  // namespace troupe
