#pragma once
// The name of an arithmetic: two runners with equal names give equal bits for equal requests (contract 2).
#include <cstdint>
#include <span>
#include <string>

#include "model/architectures/model_description.hpp"
#include "model/host_engine/host_formats.hpp"

namespace troupe {

// "TX1-" and 16 hex digits of a SHA-256 over: numerics version, header of the file, hash of its tensor data, the
// parameters in effect, formats of weights, K/V and activations, sampler version. Neither instruction set, threads,
// batch limits nor the context length in use are part of it, as they change no bit; but longrope's divisors, which
// `context` (the positions served) decides on, are.
std::string numerics_class(std::span<const std::uint8_t> header, std::uint64_t content_hash,
                           const ModelDescription& model, std::uint32_t context, WeightsAs weights, KvType kv);

}  // namespace troupe
