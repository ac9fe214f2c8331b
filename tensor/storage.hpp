#pragma once
// Memory for weights, K/V and activations: zeroed, aligned to a cache line, on huge pages where the kernel gives them
// (asked for with madvise; without them everything works, only slower).
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "runtime/result.hpp"

namespace troupe {

inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

// One zeroed region. From kHugePage on it is a mapping of its own, aligned to kHugePage.
class Storage {
 public:
  Storage() = default;
  ~Storage();
  Storage(Storage&& other) noexcept { swap(other); }
  Storage& operator=(Storage&& other) noexcept {
    Storage taken(std::move(other));
    swap(taken);
    return *this;
  }

  // kInternal when the system has no such room: said with the number of bytes. 0 bytes is an empty Storage.
  static Result<Storage> allocate(std::size_t bytes);

  // Gives all of it real memory now. kInternal when there is not enough.
  Status populate() const;
  // Keeps it in RAM: all of it, or what is touched sooner or later. false: the system forbids so much (RLIMIT_MEMLOCK).
  bool pin(bool only_touched) const;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  void swap(Storage& other) noexcept { std::swap(data_, other.data_), std::swap(size_, other.size_); }
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Many small regions that live and die together: the packed matrices of a model share huge pages this way.
class Arena {
 public:
  explicit Arena(std::size_t chunk_bytes = std::size_t{32} << 20) : chunk_bytes_(chunk_bytes) {}

  // Zeroed, aligned to kCacheLine, valid as long as the arena.
  Result<std::byte*> allocate(std::size_t bytes);
  std::size_t bytes_used() const { return bytes_used_; }
  bool pin() const;  // all of it, as Storage::pin

 private:
  std::size_t chunk_bytes_;
  std::vector<Storage> chunks_;
  std::size_t offset_ = 0;  // into the last chunk
  std::size_t bytes_used_ = 0;
};

}  // namespace troupe
