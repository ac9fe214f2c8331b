#include "model/architectures/rope_description.hpp"

#include <algorithm>

#include "gpu/host/kv_layout.hpp"
#include "gpu/host/rope_table.hpp"
#include "model/architectures/hyper_parameters.hpp"
#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

constexpr double kThetaMax = 1e12;
constexpr double kFactorMax = 1e6;
constexpr double kRotationsMax = 1e6;  // beta_fast, beta_slow
constexpr float kDivisorMin = 0x1p-6F, kDivisorMax = 1e6F;

// A global vector of dims / 2 divisors; empty when the file has none.
std::vector<double> read_divisors(TensorLookup& lookup, const char* name, std::uint32_t dims) {
  const GgufTensor* tensor = lookup.has(name) ? lookup.vector(name, dims / 2) : nullptr;
  if (tensor == nullptr) return {};
  auto values = read_vector(name, *tensor);
  if (!values) {
    lookup.fail(values.error());
    return {};
  }
  for (float divisor : *values)
    if (!(divisor >= kDivisorMin && divisor <= kDivisorMax))
      lookup.fail(load_error(name, "has a divisor out of range"));
  return {values->begin(), values->end()};
}

void read_yarn(KeyReader& reader, RopeDescription& rope, double factor, std::uint32_t original_context) {
  // "Auto", which is -1, is what everybody uses; 0 would be no YaRN at all.
  double extrapolation = reader.real("rope.scaling.yarn_ext_factor", -1.0, 1.0, -1.0);
  reader.require(extrapolation == -1.0 || extrapolation == 1.0, "rope.scaling.yarn_ext_factor",
                 "is " + std::to_string(extrapolation) + "; 1 is supported");
  YarnScaling yarn;
  yarn.factor = factor;
  yarn.original_context = original_context;
  yarn.beta_fast = reader.real("rope.scaling.yarn_beta_fast", 1e-3, kRotationsMax, 32.0);
  yarn.beta_slow = reader.real("rope.scaling.yarn_beta_slow", 1e-3, kRotationsMax, 1.0);
  double attention = reader.real("rope.scaling.yarn_attn_factor", 0.0, kFactorMax, 1.0);
  rope.magnitude *= yarn_magnitude(factor) * (attention > 0.0 ? attention : 1.0);
  std::vector<double> own = yarn_divisors(rope.dims, rope.theta, yarn);
  if (rope.divisors.empty()) rope.divisors.assign(own.size(), 1.0);
  for (std::size_t i = 0; i < own.size(); ++i) rope.divisors[i] *= own[i];
}

}  // namespace

RopeDescription read_rope(KeyReader& reader, TensorLookup& lookup, std::uint32_t head_dim, std::uint32_t context) {
  RopeDescription rope;
  rope.dims = reader.count("rope.dimension_count", 2, kHeadDimMax, head_dim);
  reader.require(
      rope.dims % 2 == 0 && rope.dims <= head_dim, "rope.dimension_count",
      "is " + std::to_string(rope.dims) + "; it must be even and at most the head size, " + std::to_string(head_dim));
  rope.theta = reader.real("rope.freq_base", 1.0, kThetaMax, 10000.0);
  rope.divisors = read_divisors(lookup, "rope_freqs.weight", rope.dims);
  std::string type = reader.text("rope.scaling.type", "linear");
  // The older name came first; 0 means absent.
  double factor =
      reader.real("rope.scaling.factor", 0.0, kFactorMax, reader.real("rope.scale_linear", 0.0, kFactorMax, 1.0));
  if (factor == 0.0) factor = 1.0;
  double attention = reader.real("rope.scaling.attn_factor", 0.0, kFactorMax, 1.0);
  if (attention > 0.0) rope.magnitude = attention;
  rope.original_context = reader.count("rope.scaling.original_context_length", 1, kContextMax, context);
  if (type == "linear") {
    rope.linear_factor = factor;
  } else if (type == "yarn") {
    if (reader.status()) read_yarn(reader, rope, factor, rope.original_context);
  } else {
    reader.require(type == "none" || type == "longrope", "rope.scaling.type",
                   "is \"" + printable(type) + "\"; none, linear, yarn and longrope are supported");
  }
  // Files say longrope by having these tensors, whatever the type.
  std::vector<double> short_divisors = read_divisors(lookup, "rope_factors_short.weight", rope.dims);
  rope.long_divisors = read_divisors(lookup, "rope_factors_long.weight", rope.dims);
  if (!short_divisors.empty()) rope.divisors = std::move(short_divisors);
  return rope;
}

}  // namespace troupe
