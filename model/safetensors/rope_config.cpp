#include "model/safetensors/rope_config.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "gpu/host/kv_layout.hpp"
#include "gpu/host/rope_table.hpp"
#include "model/architectures/hyper_parameters.hpp"
#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

constexpr double kThetaMax = 1e12;
constexpr double kFactorMax = 1e6;
constexpr double kLocalTheta = 10000.0;

// Where the parameters of one kind of layers are.
struct Place {
  JsonObject object;
  std::string name;  // for messages
};

class RopeReader {
 public:
  RopeReader(JsonObject& config, const std::string& architecture, const RopeDefaults& defaults, std::uint64_t head_dim,
             MetadataWriter& keys)
      : config_(config), prefix_(architecture + ".rope."), defaults_(defaults), head_dim_(head_dim), keys_(keys) {}

  RopeConfig read(std::uint64_t context) {
    rope_.context = context;
    // rope_scaling counts before rope_parameters, and what stands within them before what stands beside them.
    JsonObject global = config_, local = config_;
    std::string name = "rope_scaling";
    if (auto scaling = config_.object(name)) {
      global = *scaling;
    } else if (auto parameters = config_.object("rope_parameters")) {
      auto full = parameters->object("full_attention"), sliding = parameters->object("sliding_attention");
      global = full ? *full : *parameters;
      if (sliding) local = *sliding;
      has_own_local_ = sliding.has_value();
      name = full ? "rope_parameters.full_attention" : "rope_parameters";
    } else {
      name.clear();
    }
    theta_ = real(global, "rope_theta", 1.0, kThetaMax, defaults_.theta);
    double share = real(global, "partial_rotary_factor", 0.0, 1.0, 1.0);
    dims_ = static_cast<std::uint64_t>(static_cast<double>(head_dim_) * share);
    keys_.u32(key("dimension_count"), static_cast<std::uint32_t>(dims_));
    keys_.f32(key("freq_base"), static_cast<float>(theta_));
    if (defaults_.has_local_layers) read_local(local);
    if (!name.empty()) read_scaling(global);
    return std::move(rope_);
  }

 private:
  std::string key(const char* name) const { return prefix_ + name; }

  double real(JsonObject& inner, const char* name, double min, double max, double fallback) {
    return inner.real(name, min, max, config_.real(name, min, max, fallback));
  }

  static std::string type_of(JsonObject& object) {
    return object.text("rope_type", object.text("type", std::string("default")));
  }

  void read_local(JsonObject& local) {
    double theta = config_.real("rope_local_base_freq", 1.0, kThetaMax, kLocalTheta);
    if (has_own_local_) {
      theta = local.real("rope_theta", 1.0, kThetaMax, theta);
      if (type_of(local) != "default")
        local.refuse("rope_type", "must be \"default\" for the layers with a sliding window");
    }
    keys_.f32(key("freq_base_swa"), static_cast<float>(theta));
  }

  void read_scaling(JsonObject& scaling) {
    std::string type = type_of(scaling);
    if (type == "default") return;
    std::uint64_t original = defaults_.original_context == 0 ? rope_.context : defaults_.original_context;
    original = scaling.count("original_max_position_embeddings", 1, kContextMax, original);
    original = config_.count("original_max_position_embeddings", 1, kContextMax, original);
    if (type == "linear") return read_linear(scaling);
    if (defaults_.has_local_layers)
      return scaling.refuse("rope_type", "is \"" + printable(type) + "\"; this model has default and linear only");
    if (type == "llama3") return read_llama3(scaling, original);
    if (type == "yarn") return read_yarn(scaling, original);
    if (type == "longrope" || type == "su") return read_longrope(scaling, original);
    scaling.refuse("rope_type",
                   "is \"" + printable(type) + "\"; default, linear, llama3, yarn and longrope are supported");
  }

  void read_linear(JsonObject& scaling) {
    keys_.text(key("scaling.type"), "linear");
    keys_.f32(key("scaling.factor"), static_cast<float>(scaling.real("factor", 1.0, kFactorMax)));
  }

  void read_llama3(JsonObject& scaling, std::uint64_t original) {
    Llama3Scaling llama3;
    llama3.factor = scaling.real("factor", 1.0, kFactorMax);
    llama3.low_freq_factor = scaling.real("low_freq_factor", 1e-3, kFactorMax);
    llama3.high_freq_factor = scaling.real("high_freq_factor", 1e-3, kFactorMax);
    llama3.original_context = static_cast<double>(original);
    if (llama3.high_freq_factor <= llama3.low_freq_factor)
      scaling.refuse("high_freq_factor", "must be more than low_freq_factor");
    rope_.divisors = llama3_divisors(dims_, theta_, llama3);
  }

  void read_yarn(JsonObject& scaling, std::uint64_t original) {
    double ratio = std::max(1.0, static_cast<double>(rope_.context) / static_cast<double>(original));
    double factor = scaling.real("factor", 1.0, kFactorMax, ratio);
    if (!scaling.flag("truncate", true)) scaling.refuse("truncate", "is false, which is not supported");
    double usual = yarn_magnitude(factor);
    double magnitude = usual;
    if (scaling.has("mscale") && scaling.has("mscale_all_dim")) {
      double over = scaling.real("mscale", 0.0, kFactorMax), under = scaling.real("mscale_all_dim", 0.0, kFactorMax);
      auto scaled = [&](double scale) { return factor > 1.0 ? 0.1 * scale * std::log(factor) + 1.0 : 1.0; };
      if (over > 0.0 && under > 0.0) magnitude = scaled(over) / scaled(under);
    }
    magnitude = scaling.real("attention_factor", 1e-3, kFactorMax, magnitude);
    keys_.text(key("scaling.type"), "yarn").f32(key("scaling.factor"), static_cast<float>(factor));
    keys_.u32(key("scaling.original_context_length"), static_cast<std::uint32_t>(original));
    keys_.f32(key("scaling.yarn_beta_fast"), rotations(scaling, "beta_fast", 32.0F));
    keys_.f32(key("scaling.yarn_beta_slow"), rotations(scaling, "beta_slow", 1.0F));
    keys_.f32(key("scaling.yarn_attn_factor"), static_cast<float>(magnitude / usual));
    // People add YaRN to a config and leave max_position_embeddings at what the model was trained for.
    double stretched = std::min(static_cast<double>(kContextMax), factor * static_cast<double>(original));
    rope_.context = std::max(rope_.context, static_cast<std::uint64_t>(stretched));
  }

  static float rotations(JsonObject& scaling, const char* name, float fallback) {
    double given = scaling.real(name, 0.0, kFactorMax, 0.0);
    return given > 0.0 ? static_cast<float>(given) : fallback;
  }

  void read_longrope(JsonObject& scaling, std::uint64_t original) {
    double ratio = static_cast<double>(rope_.context) / static_cast<double>(original);
    double factor = scaling.real("factor", 0.0, kFactorMax, ratio);
    // sqrt(1 + ln factor / ln original); 1 where nothing is stretched.
    double usual = factor > 1.0 && original > 1 ? std::sqrt(1.0 + std::log(factor) / std::log(original)) : 1.0;
    double magnitude = scaling.real("attention_factor", 1e-3, kFactorMax, usual);
    keys_.text(key("scaling.type"), "longrope");
    keys_.f32(key("scaling.attn_factor"), static_cast<float>(magnitude));
    keys_.u32(key("scaling.original_context_length"), static_cast<std::uint32_t>(original));
    rope_.short_divisors = factors(scaling, "short_factor");
    rope_.long_divisors = factors(scaling, "long_factor");
  }

  std::vector<float> factors(JsonObject& scaling, const char* name) const {
    std::vector<double> factors = scaling.reals(name, kHeadDimMax, 1e-3, kFactorMax);
    if (factors.size() != dims_ / 2)
      scaling.refuse(name, "must have " + std::to_string(dims_ / 2) + " entries, one for each pair that rotates");
    return {factors.begin(), factors.end()};
  }

  JsonObject& config_;
  const std::string prefix_;
  const RopeDefaults& defaults_;
  const std::uint64_t head_dim_;
  MetadataWriter& keys_;
  bool has_own_local_ = false;
  double theta_ = 0.0;
  std::uint64_t dims_ = 0;
  RopeConfig rope_;
};

}  // namespace

RopeConfig read_rope_config(JsonObject& config, const std::string& architecture, const RopeDefaults& defaults,
                            std::uint64_t head_dim, std::uint64_t context, MetadataWriter& keys) {
  return RopeReader(config, architecture, defaults, head_dim, keys).read(context);
}

std::vector<float> llama3_divisors(std::uint64_t dims, double theta, const Llama3Scaling& scaling) {
  std::vector<float> divisors;
  for (std::uint64_t i = 0; i < dims; i += 2) {
    double wavelength = 2.0 * std::numbers::pi * std::pow(theta, static_cast<double>(i) / static_cast<double>(dims));
    double turns = scaling.original_context / wavelength;
    double divisor = 1.0;
    if (wavelength > scaling.original_context / scaling.low_freq_factor) {
      divisor = scaling.factor;
    } else if (wavelength >= scaling.original_context / scaling.high_freq_factor) {
      double smooth = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
      divisor = 1.0 / ((1.0 - smooth) / scaling.factor + smooth);
    }
    divisors.push_back(static_cast<float>(divisor));
  }
  return divisors;
}

}  // namespace troupe
