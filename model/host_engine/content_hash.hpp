#pragma once
// A fast 64-bit digest of all tensor data, so that two models with the same header but other weights never share a
// numerics class. It reads every byte at memory speed; it guards against mistakes, not against an adversary (who could
// as well change the program).
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "gpu/host/thread_pool.hpp"
#include "model/gguf/tensor_table.hpp"

namespace troupe {

// Four independent multiply-rotate lanes over 64-bit words; the length is part of it.
std::uint64_t content_hash(std::span<const std::byte> bytes);

// Told, on any thread, of bytes that have been read and are not needed for now. May be empty.
using ForgetBytes = std::function<void(std::span<const std::byte>)>;

// Over all tensors with their names, in the order of the names. Split over the pool.
std::uint64_t content_hash(const TensorTable& tensors, ThreadPool& pool, const ForgetBytes& forget = {});

}  // namespace troupe
