#include "text/tokenizer/merge_table.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <string_view>

namespace troupe {

namespace {

constexpr std::size_t kMergesMax = 1U << 23;
constexpr std::size_t kProbesMax = 1024;         // at a load of at most one half, honest tables stay below 100
constexpr std::size_t kShownMergeBytesMax = 64;  // of a broken merge in an error message

Error broken(std::size_t rank, std::string_view merge, const char* why) {
  return {ErrorCode::kModelFile,
          "tokenizer: merge " + std::to_string(rank) + " '" + std::string(merge.substr(0, kShownMergeBytesMax)) + "' " +
              why,
          "", 0};
}

}  // namespace

bool MergeTable::insert(std::uint64_t key, Merge merge) {
  std::size_t at = slot_of(key);
  for (std::size_t probes = 0; probes < kProbesMax; ++probes, at = (at + 1) & mask_) {
    if (slots_[at].key == key) return true;  // of equal merges the first counts
    if (slots_[at].key != kEmpty) continue;
    slots_[at] = {key, merge};
    return true;
  }
  return false;
}

Result<MergeTable> MergeTable::make(const std::vector<std::string>& merges, const Vocabulary& vocabulary) {
  if (merges.size() > kMergesMax) {
    return Error{ErrorCode::kModelFile,
                 "tokenizer: it has " + std::to_string(merges.size()) + " merges; at most " +
                     std::to_string(kMergesMax) + " are allowed",
                 "", 0};
  }
  MergeTable table;
  table.slots_.resize(std::bit_ceil(std::max<std::size_t>(2 * merges.size(), 2)));
  table.mask_ = table.slots_.size() - 1;
  std::string product;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    std::string_view merge = merges[rank];
    std::size_t space = merge.find(' ', 1);  // a part may itself begin with a space
    if (space == std::string_view::npos || space + 1 == merge.size()) {
      return broken(rank, merge, "is not two parts with a space between");
    }
    std::string_view left = merge.substr(0, space);
    std::string_view right = merge.substr(space + 1);
    product.assign(left).append(right);
    std::optional<TokenId> left_id = vocabulary.find(left);
    std::optional<TokenId> right_id = vocabulary.find(right);
    std::optional<TokenId> product_id = vocabulary.find(product);
    if (!left_id || !right_id) return broken(rank, merge, "has a part that is not a token");
    if (!product_id) return broken(rank, merge, "makes a text that is not a token");
    if (!table.insert(key_of(*left_id, *right_id), {static_cast<std::uint32_t>(rank), *product_id})) {
      return broken(rank, merge, "collides with too many others");
    }
  }
  return table;
}

}  // namespace troupe
