#pragma once
// In which formats the host holds a model's weights and K/V. Codes of the file stay as they are; floats stay floats
// unless they are to be quantised at load.
#include <cstdint>
#include <optional>

#include "gpu/host/kv_layout.hpp"
#include "tensor/dtype.hpp"

namespace troupe {

enum class WeightsAs : std::uint8_t {
  kFile,
  kInt8,  // floats as Q8_0
  kInt4,  // floats as Q4_1, those of the head as Q8_0
};

struct HostFormats {
  WeightsAs weights = WeightsAs::kFile;
  std::optional<KvType> kv;  // nothing: f16 where the layers' weights are floats, else int8

  constexpr KvType kv_for(DType layer_weights) const {
    if (kv) return *kv;
    return is_float(weights_for(layer_weights, false)) ? KvType::kF16 : KvType::kInt8;
  }
  constexpr DType weights_for(DType in_file, bool is_head) const {
    if (!is_float(in_file) || weights == WeightsAs::kFile) return in_file;
    return weights == WeightsAs::kInt8 || is_head ? DType::kQ8_0 : DType::kQ4_1;
  }
};

}  // namespace troupe
