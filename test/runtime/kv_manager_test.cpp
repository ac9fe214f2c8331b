#include "runtime/kv_manager.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "runtime/digest.hpp"

using namespace troupe;

namespace {

std::vector<TokenId> tokens(std::size_t count, TokenId first = 0) {
  std::vector<TokenId> made(count);
  for (std::size_t i = 0; i < count; ++i) made[i] = first + static_cast<TokenId>(i);
  return made;
}

// A sequence that computed and published the full blocks of `prompt`.
std::vector<BlockId> fill(KvManager& kv, const std::string& key, const std::vector<TokenId>& prompt) {
  std::vector<BlockId> blocks;
  BlockHash hash = KvManager::root_hash(key);
  for (std::size_t i = 0; i + kBlockSize <= prompt.size(); i += kBlockSize) {
    blocks.push_back(kv.allocate().value());
    hash = KvManager::next_hash(hash, std::span(prompt).subspan(i, kBlockSize));
    kv.publish(blocks.back(), hash);
  }
  return blocks;
}

void release(KvManager& kv, const std::vector<BlockId>& blocks) {
  for (std::size_t i = blocks.size(); i-- > 0;) kv.release(blocks[i]);
}

std::uint32_t matched(KvManager& kv, const std::string& key, const std::vector<TokenId>& prompt) {
  std::vector<BlockId> blocks;
  std::uint32_t count = kv.match_prefix(KvManager::root_hash(key), prompt, 1000, blocks);
  release(kv, blocks);
  return count;
}

}  // namespace

TEST_CASE("block hashes are a chain of SHA-256 over the hash before and 16 tokens") {
  // sha256 of 32 bytes and 16 little-endian words, checked with Python's hashlib.
  auto root = KvManager::root_hash("tenant");
  REQUIRE(to_hex(root) == "e9da86d351cf9a7642d8c50195c3f466220911a15c177809bd1161a51e8c5f24");
  REQUIRE(to_hex(KvManager::next_hash(root, tokens(16))) ==
          "b653759804e587e6ddae83472734001580ed8cee2371432645a17687d5e56c48");
}

TEST_CASE("R188: blocks of one tenant are not found under another tenant's key") {
  KvManager kv(8, true);
  auto blocks = fill(kv, "alice", tokens(32));
  REQUIRE(matched(kv, "alice", tokens(32)) == 2);
  REQUIRE(matched(kv, "bob", tokens(32)) == 0);
  REQUIRE(matched(kv, "", tokens(32)) == 0);
  release(kv, blocks);
  REQUIRE(matched(kv, "bob", tokens(32)) == 0);
}

TEST_CASE("R189: a prefix is shared block by block, as far as it is equal") {
  KvManager kv(8, true);
  auto blocks = fill(kv, "", tokens(48));
  auto other = tokens(48);
  other[40] = 99;
  REQUIRE(matched(kv, "", other) == 2);
  other[0] = 99;
  REQUIRE(matched(kv, "", other) == 0);
  REQUIRE(matched(kv, "", tokens(47)) == 2);

  std::vector<BlockId> shared = {77};
  REQUIRE(kv.match_prefix(KvManager::root_hash(""), tokens(48), 2, shared) == 2);
  REQUIRE(shared == std::vector<BlockId>{77, blocks[0], blocks[1]});
  REQUIRE(kv.references(blocks[0]) == 2);
  REQUIRE(kv.references(blocks[2]) == 1);
  release(kv, blocks);
  REQUIRE(kv.counts().cached == 1);
  REQUIRE(kv.counts().referenced == 2);
}

TEST_CASE("cached blocks are evicted before allocation fails, least recently used first") {
  KvManager kv(3, true);
  auto first = fill(kv, "", tokens(16, 100));
  auto second = fill(kv, "", tokens(16, 200));
  auto third = fill(kv, "", tokens(16, 300));
  release(kv, first);
  release(kv, second);
  release(kv, third);
  REQUIRE(matched(kv, "", tokens(16, 100)) == 1);  // used again: now the newest
  REQUIRE(kv.allocate() == second[0]);
  REQUIRE(matched(kv, "", tokens(16, 200)) == 0);
  REQUIRE(matched(kv, "", tokens(16, 300)) == 1);
  REQUIRE(matched(kv, "", tokens(16, 100)) == 1);
  REQUIRE(kv.allocate() == third[0]);
  REQUIRE(kv.allocate() == first[0]);
  REQUIRE_FALSE(kv.allocate().has_value());
}

TEST_CASE("a block whose content another block has already stays private") {
  KvManager kv(4, true);
  auto first = fill(kv, "", tokens(16));
  auto second = fill(kv, "", tokens(16));
  release(kv, second);
  REQUIRE(kv.counts().free == 3);
  release(kv, first);
  REQUIRE(kv.counts().cached == 1);
}

TEST_CASE("after the executor's death no block is found, and those in use are still in use") {
  KvManager kv(4, true);
  auto in_use = fill(kv, "", tokens(16));
  auto cached = fill(kv, "", tokens(16, 50));
  release(kv, cached);
  kv.forget_all_content();
  REQUIRE(kv.counts().free == 3);
  REQUIRE(kv.counts().referenced == 1);
  REQUIRE(matched(kv, "", tokens(16)) == 0);
  REQUIRE(matched(kv, "", tokens(16, 50)) == 0);
  release(kv, in_use);
  REQUIRE(kv.counts().free == 4);
}

TEST_CASE("without prefix cache nothing is kept and nothing matches") {
  KvManager kv(4, false);
  auto blocks = fill(kv, "", tokens(32));
  REQUIRE(matched(kv, "", tokens(32)) == 0);
  release(kv, blocks);
  REQUIRE(kv.counts().free == 4);
}

TEST_CASE("contract 3: blocks add up after each of 200,000 random calls") {
  // The model: who holds which block, and what is in it.
  struct Held {
    std::string key;
    std::vector<TokenId> prompt;
    std::vector<BlockId> blocks;
  };
  for (bool prefix_cache : {true, false}) {
    std::mt19937 random(prefix_cache ? 1 : 2);
    constexpr std::uint32_t kBlocks = 24;
    KvManager kv(kBlocks, prefix_cache);
    std::vector<Held> sequences;
    std::map<BlockId, std::pair<std::string, std::vector<TokenId>>> content;  // key and all tokens up to its end
    for (int call = 0; call < 100000; ++call) {
      switch (random() % 8) {
        case 0:
        case 1:
        case 2: {  // a sequence comes: matches, then fills the rest
          Held held{random() % 2 ? "a" : "b", tokens(16 * (1 + random() % 4)), {}};
          for (std::size_t i = 0; i < held.prompt.size(); i += 16) held.prompt[i] = static_cast<TokenId>(random() % 3);
          auto hash = KvManager::root_hash(held.key);
          std::uint32_t found = kv.match_prefix(hash, held.prompt, 1 + random() % 4, held.blocks);
          REQUIRE(found == held.blocks.size());
          for (std::uint32_t i = 0; i < held.prompt.size() / 16; ++i) {
            std::vector<TokenId> until(held.prompt.begin(), held.prompt.begin() + 16 * (i + 1));
            if (i < found) {  // what was matched holds exactly this, for this tenant
              bool same = content.at(held.blocks[i]) == std::pair(held.key, until);
              if (!same) FAIL("a block with other content was matched");
            } else if (auto block = kv.allocate()) {
              held.blocks.push_back(*block);
              content[*block] = {held.key, until};
            } else {
              if (kv.counts().referenced != kBlocks) FAIL("no block although some have no user");
              break;
            }
            hash = KvManager::next_hash(hash, std::span(held.prompt).subspan(i * 16, 16));
            if (i >= found && random() % 4 != 0) kv.publish(held.blocks[i], hash);
          }
          sequences.push_back(std::move(held));
          break;
        }
        case 7:
          if (random() % 200 == 0) kv.drop_cached();
          if (random() % 200 == 0) kv.forget_all_content();
          break;
        default:  // one goes
          if (sequences.empty()) break;
          std::swap(sequences[random() % sequences.size()], sequences.back());
          release(kv, sequences.back().blocks);
          sequences.pop_back();
      }
      std::map<BlockId, std::uint32_t> users;
      for (const Held& held : sequences) {
        for (BlockId block : held.blocks) ++users[block];
      }
      auto counts = kv.counts();
      bool adds_up = counts.total == kBlocks && counts.free + counts.cached + counts.referenced == kBlocks;
      if (!adds_up || counts.referenced != users.size()) FAIL("contract 3 is broken after call " << call);
      for (const auto& [block, count] : users) {
        if (kv.references(block) != count) FAIL("a wrong count of users after call " << call);
      }
    }
    for (const Held& held : sequences) release(kv, held.blocks);
    REQUIRE(kv.counts().referenced == 0);
  }
}

TEST_CASE("R005: with sharing off no prefix is found or kept, what runs goes on, and it can come on again") {
  KvManager kv(8, true);
  auto running = fill(kv, "alice", tokens(32));
  release(kv, fill(kv, "alice", tokens(16, 100)));
  REQUIRE(kv.counts().cached == 1);
  kv.set_sharing(false);
  CHECK(kv.counts().cached == 0);
  CHECK(kv.prefix_cache());  // sequences keep their hashes
  CHECK(matched(kv, "alice", tokens(32)) == 0);
  release(kv, fill(kv, "alice", tokens(16, 200)));
  CHECK(kv.counts().cached == 0);
  kv.set_sharing(true);
  CHECK(matched(kv, "alice", tokens(16, 200)) == 0);
  CHECK(matched(kv, "alice", tokens(32)) == 2);  // of the one that has run all the time
  release(kv, running);
  CHECK(kv.counts().free + kv.counts().cached == 8);
}
