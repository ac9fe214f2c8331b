#pragma once
// What a server says of itself, once, at start.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

struct ServerInfo {
  std::string version, model, architecture, quantization, numerics_class, device;
  std::vector<std::pair<std::string, std::uint64_t>> weights;  // bytes by their format in memory
};

}  // namespace troupe
