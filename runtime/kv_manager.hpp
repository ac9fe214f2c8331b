#pragma once
// Accounts for the KV blocks of one model: which are free, which are in use by sequences, which are kept only for
// their content. Full blocks are shared between sequences with the same prefix under the same cache key: a chain of
// SHA-256 hashes, H(i) = SHA-256(H(i-1) | tokens of block i), H(-1) = SHA-256(cache key). Holds no K or V itself.
// Contract 3: free + cached + referenced == total after every call.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/request.hpp"
#include "runtime/step_plan.hpp"

namespace troupe {

using BlockId = std::uint32_t;
using BlockHash = std::array<std::uint8_t, 32>;

class KvManager {
 public:
  struct Counts {
    std::uint32_t total = 0;
    std::uint32_t free = 0;        // no content, no user
    std::uint32_t cached = 0;      // content kept, no user; evicted least recently used first, before any preemption
    std::uint32_t referenced = 0;  // at least one user
  };

  KvManager(std::uint32_t blocks_total, bool prefix_cache);
  ~KvManager();

  static BlockHash root_hash(std::string_view cache_key);
  static BlockHash next_hash(const BlockHash& previous, std::span<const TokenId> block_tokens);

  // References the longest cached run of full blocks of `tokens`, at most `blocks_max` of them, and appends them to
  // `blocks`. Returns their number.
  std::uint32_t match_prefix(const BlockHash& root, std::span<const TokenId> tokens, std::uint32_t blocks_max,
                             std::vector<BlockId>& blocks);

  // A block with one reference and no content, evicting a cached one when none is free; nothing when all are in use.
  std::optional<BlockId> allocate();

  // The block now holds a full run of tokens that a step has completed: later sequences may share it. When another
  // block has that hash already, this one stays private.
  void publish(BlockId block, const BlockHash& hash);

  void release(BlockId block);  // one reference less; the last one makes it cached (published) or free

  void forget_all_content();  // the executor died: nothing cached is valid any more; references stay
  void drop_cached();         // gives cached blocks back to the free ones

  // Off: prefixes are neither found nor kept. Sequences go on with their hashes, so it can come on again at any time.
  void set_sharing(bool on);

  Counts counts() const;
  bool prefix_cache() const;
  std::uint32_t references(BlockId block) const;
  const BlockHash& hash_of(BlockId block) const;  // of a published one

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace troupe
