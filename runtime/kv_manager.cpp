#include "runtime/kv_manager.hpp"

#include <cstring>

#include "runtime/block_table.hpp"
#include "runtime/check.hpp"
#include "runtime/digest.hpp"

namespace troupe {
namespace {

constexpr BlockId kNone = kNoIndex;

struct Block {
  std::uint32_t references = 0;
  bool is_published = false;
  BlockId newer = kNone;  // neighbours among the cached blocks
  BlockId older = kNone;
};

}  // namespace

struct KvManager::State {
  State(std::uint32_t blocks_total, bool prefix_cache)
      : uses_prefix_cache(prefix_cache), blocks(blocks_total), hashes(blocks_total), table(hashes) {
    free.reserve(blocks_total);
    for (BlockId block = blocks_total; block-- > 0;) free.push_back(block);
  }

  bool uses_prefix_cache;
  bool is_sharing = true;  // an operator's switch
  std::vector<Block> blocks;
  std::vector<BlockHash> hashes;  // of published blocks
  BlockTable table;
  std::vector<BlockId> free;
  std::uint32_t cached = 0;
  std::uint32_t referenced = 0;
  BlockId oldest = kNone;  // ends of the list of cached blocks
  BlockId newest = kNone;

  Block& at(BlockId block) {
    TROUPE_CHECK(block < blocks.size(), "a KV block outside of the pool");
    return blocks[block];
  }

  void reference(BlockId id) {
    if (blocks[id].references++ == 0) {
      take_from_cached(id);
      ++referenced;
    }
  }

  void put_to_cached(BlockId id) {
    blocks[id].older = newest;
    blocks[id].newer = kNone;
    (newest == kNone ? oldest : blocks[newest].newer) = id;
    newest = id;
    ++cached;
  }

  void take_from_cached(BlockId id) {
    Block& block = blocks[id];
    (block.older == kNone ? oldest : blocks[block.older].newer) = block.newer;
    (block.newer == kNone ? newest : blocks[block.newer].older) = block.older;
    --cached;
  }

  void unpublish(BlockId id) {
    table.erase(id);
    blocks[id].is_published = false;
  }

  // Drops the content of the block that has been cached longest and gives it to the free ones.
  void evict() {
    BlockId id = oldest;
    take_from_cached(id);
    unpublish(id);
    free.push_back(id);
  }
};

KvManager::KvManager(std::uint32_t blocks_total, bool prefix_cache)
    : state_(std::make_unique<State>(blocks_total, prefix_cache)) {
  TROUPE_CHECK(blocks_total < kNoIndex / 4, "more KV blocks than their numbers can tell apart");
}

KvManager::~KvManager() = default;

BlockHash KvManager::root_hash(std::string_view cache_key) { return Sha256().add(cache_key).finish(); }

BlockHash KvManager::next_hash(const BlockHash& previous, std::span<const TokenId> block_tokens) {
  TROUPE_CHECK(block_tokens.size() == kBlockSize, "only full blocks have a hash");
  std::array<std::uint8_t, 4 * kBlockSize> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(block_tokens[i / 4]) >> (8 * (i % 4)));
  }
  return Sha256().add(previous).add(bytes).finish();
}

std::uint32_t KvManager::match_prefix(const BlockHash& root, std::span<const TokenId> tokens, std::uint32_t blocks_max,
                                      std::vector<BlockId>& matched) {
  if (!state_->uses_prefix_cache || !state_->is_sharing) return 0;
  std::uint32_t count = 0;
  BlockHash hash = root;
  while (count < blocks_max && tokens.size() >= kBlockSize) {
    hash = next_hash(hash, tokens.first(kBlockSize));
    BlockId id = state_->table.find(hash);
    if (id == kNone) break;
    state_->reference(id);
    matched.push_back(id);
    tokens = tokens.subspan(kBlockSize);
    ++count;
  }
  return count;
}

std::optional<BlockId> KvManager::allocate() {
  State& s = *state_;
  if (s.free.empty()) {
    if (s.cached == 0) return std::nullopt;
    s.evict();
  }
  BlockId id = s.free.back();
  s.free.pop_back();
  s.blocks[id].references = 1;
  ++s.referenced;
  return id;
}

void KvManager::publish(BlockId id, const BlockHash& hash) {
  Block& block = state_->at(id);
  TROUPE_CHECK(block.references > 0, "only a user of a KV block can publish it");
  TROUPE_CHECK(!block.is_published, "a KV block is published once");
  if (!state_->uses_prefix_cache || !state_->is_sharing || state_->table.find(hash) != kNone) return;
  state_->hashes[id] = hash;
  state_->table.insert(id);
  block.is_published = true;
}

void KvManager::release(BlockId id) {
  State& s = *state_;
  Block& block = s.at(id);
  TROUPE_CHECK(block.references > 0, "a KV block is released more often than it was referenced");
  if (--block.references > 0) return;
  --s.referenced;
  block.is_published ? s.put_to_cached(id) : s.free.push_back(id);
}

void KvManager::forget_all_content() {
  drop_cached();
  for (BlockId id = 0; id < state_->blocks.size(); ++id) {
    if (state_->blocks[id].is_published) state_->unpublish(id);
  }
}

void KvManager::drop_cached() {
  while (state_->cached > 0) state_->evict();
}

void KvManager::set_sharing(bool on) {
  state_->is_sharing = on;
  if (!on) drop_cached();
}

KvManager::Counts KvManager::counts() const {
  const State& s = *state_;
  return {static_cast<std::uint32_t>(s.blocks.size()), static_cast<std::uint32_t>(s.free.size()), s.cached,
          s.referenced};
}

bool KvManager::prefix_cache() const { return state_->uses_prefix_cache; }

std::uint32_t KvManager::references(BlockId id) const { return state_->at(id).references; }

const BlockHash& KvManager::hash_of(BlockId id) const {
  TROUPE_CHECK(state_->at(id).is_published, "only published KV blocks have a hash");
  return state_->hashes[id];
}

}  // namespace troupe
