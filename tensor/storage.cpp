#include "tensor/storage.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tensor/shape.hpp"

namespace troupe {
namespace {

Error no_room(std::size_t bytes) {
  return {ErrorCode::kInternal, "the system has no room for " + std::to_string(bytes) + " bytes", "", 0};
}

// A mapping aligned to kHugePage: one page more is mapped, then what sticks out on both sides is given back.
std::byte* map_aligned(std::size_t bytes) {
  const std::size_t mapped = bytes + kHugePage;
  void* start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(start);
  const std::size_t skew =
      round_up(reinterpret_cast<std::uintptr_t>(begin), kHugePage) - reinterpret_cast<std::uintptr_t>(begin);
  if (skew > 0) munmap(begin, skew);
  munmap(begin + skew + bytes, kHugePage - skew);
  madvise(begin + skew, bytes, MADV_HUGEPAGE);  // refused: ordinary pages
  return begin + skew;
}

}  // namespace

Result<Storage> Storage::allocate(std::size_t bytes) {
  Storage storage;
  if (bytes == 0) return storage;
  if (bytes > (std::size_t{1} << 62)) return no_room(bytes);
  const std::size_t lines = round_up(bytes, kCacheLine);
  const bool huge = lines >= kHugePage;  // and so says the destructor, by the size
  const std::size_t rounded = huge ? round_up(lines, kHugePage) : lines;
  storage.data_ = huge ? map_aligned(rounded) : static_cast<std::byte*>(std::aligned_alloc(kCacheLine, rounded));
  if (storage.data_ == nullptr) return no_room(bytes);
  storage.size_ = rounded;
  if (!huge) std::memset(storage.data_, 0, rounded);
  return storage;
}

Status Storage::populate() const {
  if (size_ < kHugePage) return {};  // zeroed by hand
#ifdef MADV_POPULATE_WRITE
  if (madvise(data_, size_, MADV_POPULATE_WRITE) == 0) return {};
  if (errno != EINVAL) return no_room(size_);  // EINVAL: a kernel that does not know it
#endif
  constexpr std::size_t kPage = 4096;
  for (std::size_t at = 0; at < size_; at += kPage) static_cast<volatile std::byte*>(data_)[at] = std::byte{0};
  return {};
}

bool Storage::pin(bool only_touched) const {
  if (size_ == 0) return true;
#ifdef MLOCK_ONFAULT
  return mlock2(data_, size_, only_touched ? MLOCK_ONFAULT : 0) == 0;
#else
  return !only_touched && mlock(data_, size_) == 0;
#endif
}

Storage::~Storage() {
  if (data_ == nullptr) return;
  if (size_ >= kHugePage) {
    munmap(data_, size_);
  } else {
    std::free(data_);
  }
}

Result<std::byte*> Arena::allocate(std::size_t bytes) {
  if (bytes > (std::size_t{1} << 62)) return no_room(bytes);
  const std::size_t rounded = round_up(bytes, kCacheLine);
  if (chunks_.empty() || rounded > chunks_.back().size() - offset_) {
    auto chunk = Storage::allocate(rounded > chunk_bytes_ ? rounded : chunk_bytes_);
    if (!chunk) return chunk.error();
    chunks_.push_back(*std::move(chunk));
    offset_ = 0;
  }
  std::byte* const region = chunks_.back().data() + offset_;
  offset_ += rounded;
  bytes_used_ += rounded;
  return region;
}

// Only what is touched: the rest of the last chunk is nobody's.
bool Arena::pin() const {
  return std::all_of(chunks_.begin(), chunks_.end(), [](const Storage& chunk) { return chunk.pin(true); });
}

}  // namespace troupe
