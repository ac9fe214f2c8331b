#include "model/architectures/hyper_parameters.hpp"

#include <algorithm>

#include "gpu/host/activation.hpp"
#include "gpu/host/kv_layout.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t kHiddenMax = 1U << 17;
constexpr std::uint64_t kIntermediateMax = 1U << 20;
constexpr std::uint64_t kHeadsMax = 1024;
constexpr std::uint32_t kHeadDimStep = 16;  // of the kernels
constexpr double kScaleMax = 1e3;
constexpr double kCapMax = 1e6;

void read_heads(KeyReader& reader, HyperParameters& p) {
  p.num_attention_heads = reader.count("attention.head_count", 1, kHeadsMax);
  p.num_key_value_heads = reader.count("attention.head_count_kv", 1, kHeadsMax, p.num_attention_heads);
  reader.require(p.num_attention_heads % p.num_key_value_heads == 0, "attention.head_count_kv",
                 "is " + std::to_string(p.num_key_value_heads) + ", which does not divide the " +
                     std::to_string(p.num_attention_heads) + " heads");
  if (!reader.has("attention.key_length"))
    reader.require(p.hidden_size % p.num_attention_heads == 0, "attention.head_count",
                   "is " + std::to_string(p.num_attention_heads) + ", which does not divide embedding_length " +
                       std::to_string(p.hidden_size));
  std::uint32_t share = std::max(1U, p.hidden_size / p.num_attention_heads);
  p.head_dim = reader.count("attention.key_length", 1, kHeadDimMax, share);
  reader.require(p.head_dim <= kHeadDimMax && p.head_dim % kHeadDimStep == 0, "attention.key_length",
                 "heads of " + std::to_string(p.head_dim) + " values are not supported; multiples of " +
                     std::to_string(kHeadDimStep) + " up to " + std::to_string(kHeadDimMax) + " are");
  std::uint32_t value_length = reader.count("attention.value_length", 1, kHeadDimMax, p.head_dim);
  reader.require(
      value_length == p.head_dim, "attention.value_length",
      "is " + std::to_string(value_length) + "; only key_length, " + std::to_string(p.head_dim) + ", is supported");
}

}  // namespace

HyperParameters read_hyper_parameters(KeyReader& reader, const std::string& architecture) {
  HyperParameters p;
  p.architecture = architecture;
  p.context_length = reader.count("context_length", 1, kContextMax);
  p.hidden_size = reader.count("embedding_length", 1, kHiddenMax);
  reader.require(p.hidden_size % kBlockK == 0, "embedding_length",
                 "is " + std::to_string(p.hidden_size) + "; it must be a multiple of " + std::to_string(kBlockK));
  p.num_hidden_layers = reader.count("block_count", 1, kLayersMax);
  p.intermediate_size = reader.count("feed_forward_length", 1, kIntermediateMax);
  reader.require(p.intermediate_size % kBlockK == 0, "feed_forward_length",
                 "is " + std::to_string(p.intermediate_size) + "; it must be a multiple of " + std::to_string(kBlockK));
  read_heads(reader, p);
  double eps = reader.real("attention.layer_norm_rms_epsilon", 0.0, 1.0);
  reader.require(eps > 0.0 && eps < 1.0, "attention.layer_norm_rms_epsilon",
                 "is " + std::to_string(eps) + "; it must be within 0 and 1");
  p.rms_norm_eps = static_cast<float>(eps);
  p.attention_scale = reader.real("attention.scale", 0.0, kScaleMax, 0.0);
  p.attn_logit_softcapping = reader.real("attn_logit_softcapping", 0.0, kCapMax, 0.0);
  p.final_logit_softcapping = reader.real("final_logit_softcapping", 0.0, kCapMax, 0.0);
  reader.require(reader.count("expert_count", 0, kHeadsMax, 0) == 0, "expert_count",
                 "mixture-of-experts models are not supported");
  return p;
}

}  // namespace troupe
