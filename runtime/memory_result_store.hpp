#pragma once
// Finished answers in memory, the least recently used one forgotten first. Bounded in bytes; one answer may take a
// part of them only, so that a single long one does not push everything else out. One thread uses it.
#include <cstddef>
#include <cstring>
#include <list>
#include <memory>
#include <unordered_map>

#include "runtime/doors/result_store.hpp"

namespace troupe {

class MemoryResultStore final : public ResultStore {
 public:
  static constexpr std::size_t kEntryOverheadBytes = 256;  // key, list node, table node: counted with each answer

  MemoryResultStore(std::size_t bytes_max, std::size_t entry_bytes_max)
      : bytes_max_(bytes_max), entry_bytes_max_(entry_bytes_max) {}

  std::shared_ptr<const StoredResult> find(const ResultKey& key) override;
  void store(const ResultKey& key, std::shared_ptr<const StoredResult> result) override;
  std::size_t bytes_used() const override { return bytes_used_; }
  std::size_t size() const { return entries_.size(); }
  void set_bytes_max(std::size_t bytes_max, std::size_t entry_bytes_max);  // forgets what no longer fits
  void shrink_to(std::size_t bytes);  // forgets what is beyond
  void clear();

 private:
  struct Entry {
    ResultKey key;
    std::shared_ptr<const StoredResult> result;
    std::size_t bytes;
  };
  struct KeyHash {  // a key is a SHA-256: any 8 bytes of it are a hash; equality compares all 32
    std::size_t operator()(const ResultKey& key) const {
      std::size_t hash = 0;
      std::memcpy(&hash, key.data(), sizeof(hash));
      return hash;
    }
  };
  void forget(std::list<Entry>::iterator entry);

  std::size_t bytes_max_;
  std::size_t entry_bytes_max_;
  std::size_t bytes_used_ = 0;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<ResultKey, std::list<Entry>::iterator, KeyHash> by_key_;
};

}  // namespace troupe
