#include "runtime/memory_result_store.hpp"

#include <iterator>
#include <utility>

namespace troupe {

std::shared_ptr<const StoredResult> MemoryResultStore::find(const ResultKey& key) {
  auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->result;
}

void MemoryResultStore::store(const ResultKey& key, std::shared_ptr<const StoredResult> result) {
  if (!result) return;
  std::size_t bytes = result->bytes() + kEntryOverheadBytes;
  if (bytes > entry_bytes_max_ || bytes > bytes_max_) return;
  if (auto found = by_key_.find(key); found != by_key_.end()) forget(found->second);
  while (bytes_used_ > bytes_max_ - bytes) forget(std::prev(entries_.end()));
  entries_.push_front({key, std::move(result), bytes});
  by_key_[key] = entries_.begin();
  bytes_used_ += bytes;
}

void MemoryResultStore::set_bytes_max(std::size_t bytes_max, std::size_t entry_bytes_max) {
  bytes_max_ = bytes_max;
  entry_bytes_max_ = entry_bytes_max;
  shrink_to(bytes_max_);
}

void MemoryResultStore::shrink_to(std::size_t bytes) {
  while (bytes_used_ > bytes) forget(std::prev(entries_.end()));
}

void MemoryResultStore::clear() { shrink_to(0); }

void MemoryResultStore::forget(std::list<Entry>::iterator entry) {
  bytes_used_ -= entry->bytes;
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace troupe
