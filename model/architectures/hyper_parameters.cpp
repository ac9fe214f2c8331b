#include "model/architectures/hyper_parameters.hpp"

#include "gpu/host/activation.hpp"
#include "gpu/host/kv_layout.hpp"
#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t kContextMax = 1U << 24;
constexpr std::uint64_t kHiddenMax = 1U << 17;
constexpr std::uint64_t kLayersMax = 512;
constexpr std::uint64_t kIntermediateMax = 1U << 20;
constexpr std::uint64_t kHeadsMax = 1024;
constexpr std::uint32_t kHeadDimStep = 16;  // of the kernels

// Reads one key after the other; the first error stays.
class Reader {
 public:
  Reader(const Metadata& metadata, std::string prefix) : metadata_(metadata), prefix_(std::move(prefix)) {}

  std::string key(const char* name) const { return prefix_ + name; }
  bool has(const char* name) const { return metadata_.has(key(name)); }

  std::uint32_t count(const char* name, std::uint64_t min, std::uint64_t max,
                      std::optional<std::uint64_t> fallback = {}) {
    auto number = metadata_.count(key(name), min, max, fallback);
    if (number) return static_cast<std::uint32_t>(*number);
    keep(number.error());
    return static_cast<std::uint32_t>(min);
  }
  double real(const char* name, std::optional<double> fallback = {}) {
    auto number = metadata_.real(key(name), fallback);
    if (number) return *number;
    keep(number.error());
    return 0.0;
  }
  std::string text(const char* name, const char* fallback) {
    auto text = metadata_.text(key(name), fallback);
    if (text) return *text;
    keep(text.error());
    return fallback;
  }
  void require(bool condition, const char* name, const std::string& reason) {
    if (!condition) keep(load_error(key(name), reason));
  }
  const Status& status() const { return status_; }

 private:
  void keep(Error error) {
    if (status_) status_ = std::move(error);
  }

  const Metadata& metadata_;
  const std::string prefix_;
  Status status_;
};

std::string number_text(double value) {
  std::string text = std::to_string(value);
  return text;
}

void read_heads(Reader& reader, HyperParameters& p) {
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

void read_rope(Reader& reader, HyperParameters& p) {
  std::uint32_t rotated = reader.count("rope.dimension_count", 1, kHeadDimMax, p.head_dim);
  reader.require(rotated == p.head_dim, "rope.dimension_count",
                 "is " + std::to_string(rotated) + "; it must be the head size, " + std::to_string(p.head_dim));
  p.rope_theta = reader.real("rope.freq_base", 10000.0);
  reader.require(p.rope_theta >= 1.0, "rope.freq_base", "is " + number_text(p.rope_theta) + "; it must be at least 1");
  std::string type = reader.text("rope.scaling.type", "linear");
  reader.require(type == "linear" || type == "none", "rope.scaling.type",
                 "is \"" + printable(type) + "\"; none and linear are supported");
  // The older name came first; 0 means absent.
  double factor = reader.real("rope.scaling.factor", reader.real("rope.scale_linear", 1.0));
  reader.require(factor >= 0.0 && factor <= 1e6, "rope.scaling.factor", "is " + number_text(factor));
  if (factor > 0.0 && type == "linear") p.rope_linear_factor = factor;
}

}  // namespace

Result<HyperParameters> read_hyper_parameters(const Metadata& metadata, const std::string& architecture) {
  Reader reader(metadata, architecture + ".");
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
  double eps = reader.real("attention.layer_norm_rms_epsilon");
  reader.require(eps > 0.0 && eps < 1.0, "attention.layer_norm_rms_epsilon",
                 "is " + number_text(eps) + "; it must be within 0 and 1");
  p.rms_norm_eps = static_cast<float>(eps);
  read_rope(reader, p);
  p.attention_scale = reader.real("attention.scale", 0.0);
  reader.require(p.attention_scale >= 0.0 && p.attention_scale <= 1e3, "attention.scale",
                 "is " + number_text(p.attention_scale));
  // Positions beyond a sliding window would have to be masked; within it the window changes nothing.
  std::uint32_t window = reader.count("attention.sliding_window", 0, kContextMax, 0);
  if (window > 0 && window < p.context_length) p.context_length = window;
  reader.require(reader.count("expert_count", 0, kHeadsMax, 0) == 0, "expert_count",
                 "mixture-of-experts models are not supported");
  if (!reader.status()) return reader.status().error();
  return p;
}

}  // namespace troupe
