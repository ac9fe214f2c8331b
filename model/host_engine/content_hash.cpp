#include "model/host_engine/content_hash.hpp"

#include <bit>
#include <cstring>
#include <vector>

namespace troupe {
namespace {

constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15;  // odd, 2^64 / golden ratio
constexpr std::size_t kLanes = 4;
constexpr std::size_t kStride = kLanes * sizeof(std::uint64_t);

std::uint64_t mix(std::uint64_t hash, std::uint64_t word) { return std::rotl((hash ^ word) * kMultiplier, 29); }

}  // namespace

std::uint64_t content_hash(std::span<const std::byte> bytes) {
  std::uint64_t lanes[kLanes] = {1, 2, 3, 4};
  std::uint64_t words[kLanes];
  std::size_t whole = bytes.size() / kStride * kStride;
  for (std::size_t at = 0; at < whole; at += kStride) {
    std::memcpy(words, bytes.data() + at, kStride);
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = mix(lanes[lane], words[lane]);
  }
  std::memset(words, 0, kStride);
  if (whole < bytes.size()) std::memcpy(words, bytes.data() + whole, bytes.size() - whole);
  std::uint64_t hash = bytes.size();
  for (std::size_t lane = 0; lane < kLanes; ++lane) hash = mix(hash, mix(lanes[lane], words[lane]));
  return hash ^ hash >> 31;
}

std::uint64_t content_hash(const TensorTable& tensors, ThreadPool& pool, const ForgetBytes& forget) {
  struct Entry {
    std::span<const std::byte> name, data;
    std::uint64_t hash = 0;
  };
  std::vector<Entry> entries;  // at most kTensorsMax: the pool's tiles fit
  for (const auto& [name, tensor] : tensors.all()) entries.push_back({std::as_bytes(std::span(name)), tensor.bytes});
  static_assert(kTensorsMax <= ThreadPool::kTilesMax + 1);
  std::uint32_t tiles = std::min<std::uint32_t>(static_cast<std::uint32_t>(entries.size()), ThreadPool::kTilesMax);
  pool.run(tiles, [&](std::uint32_t tile, std::uint32_t) {
    for (std::size_t i = tile; i < entries.size(); i += tiles) {
      entries[i].hash = mix(content_hash(entries[i].name), content_hash(entries[i].data));
      if (forget) forget(entries[i].data);
    }
  });
  std::uint64_t hash = entries.size();
  for (const Entry& entry : entries) hash = mix(hash, entry.hash);
  return hash;
}

}  // namespace troupe
