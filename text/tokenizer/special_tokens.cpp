#include "text/tokenizer/special_tokens.hpp"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

#include "text/unicode/unicode_table.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {
bool by_byte(const std::pair<unsigned char, std::uint32_t>& child, unsigned char byte) { return child.first < byte; }

Error broken(std::string why) { return {ErrorCode::kModelFile, "tokenizer: " + std::move(why), "", 0}; }

bool is_space_at(std::string_view text, std::size_t at) {
  return kind_of(code_point_at(text, at).value) == CharacterKind::kSpace;
}
}  // namespace

Result<SpecialTokens> SpecialTokens::make(const Vocabulary& vocabulary,
                                          const std::vector<std::uint32_t>& strip_left_ids,
                                          const std::vector<std::uint32_t>& strip_right_ids) {
  SpecialTokens special;
  special.nodes_.emplace_back();
  const std::unordered_set<std::uint32_t> left(strip_left_ids.begin(), strip_left_ids.end());
  const std::unordered_set<std::uint32_t> right(strip_right_ids.begin(), strip_right_ids.end());
  for (TokenId id = 0; vocabulary.contains(id); ++id) {
    if (!vocabulary.is_special(id)) continue;
    const std::string& text = vocabulary.text(id);
    if (text.size() > kSpecialTokenBytesMax) {
      return broken("special token " + std::to_string(id) + " has " + std::to_string(text.size()) + " bytes; at most " +
                    std::to_string(kSpecialTokenBytesMax) + " are allowed");
    }
    std::uint32_t at = 0;
    for (char c : text) at = special.child_or_new(at, static_cast<unsigned char>(c));
    if (special.nodes_.size() > kSpecialNodesMax) return broken("its special tokens have too many bytes together");
    Node& node = special.nodes_[at];
    node.token = id;
    node.hidden = vocabulary.is_hidden(id);
    node.strips_left = left.count(static_cast<std::uint32_t>(id)) > 0;
    node.strips_right = right.count(static_cast<std::uint32_t>(id)) > 0;
  }
  for (const auto& [byte, node] : special.nodes_[0].children) special.root_[byte] = node;
  return special;
}

std::uint32_t SpecialTokens::child_or_new(std::uint32_t node, unsigned char byte) {
  auto& children = nodes_[node].children;
  auto found = std::lower_bound(children.begin(), children.end(), byte, by_byte);
  if (found != children.end() && found->first == byte) return found->second;
  auto created = static_cast<std::uint32_t>(nodes_.size());
  children.insert(found, {byte, created});
  nodes_.emplace_back();
  return created;
}

const SpecialTokens::Node* SpecialTokens::child(const Node& node, unsigned char byte) const {
  auto found = std::lower_bound(node.children.begin(), node.children.end(), byte, by_byte);
  return found != node.children.end() && found->first == byte ? &nodes_[found->second] : nullptr;
}

SpecialTokens::Match SpecialTokens::find(std::string_view text, std::size_t from, bool parse_special,
                                         std::span<const ByteRange> marks) const {
  auto ends_behind = [](const ByteRange& mark, std::size_t at) { return mark.end <= at; };
  auto mark = std::lower_bound(marks.begin(), marks.end(), from, ends_behind);
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    while (mark != marks.end() && ends_behind(*mark, begin)) ++mark;
    std::size_t hidden_end_max = !parse_special ? begin : mark != marks.end() ? mark->begin : text.size();
    std::uint32_t first = root_[static_cast<unsigned char>(text[begin])];
    if (first == 0) continue;
    Match longest;
    const Node* longest_node = nullptr;
    const Node* node = &nodes_[first];
    for (std::size_t end = begin + 1; node != nullptr; ++end) {
      if (node->token >= 0 && (end <= hidden_end_max || !node->hidden)) {
        longest = {begin, end, node->token};
        longest_node = node;
      }
      if (end == text.size()) break;
      node = child(*node, static_cast<unsigned char>(text[end]));
    }
    if (longest_node == nullptr) continue;
    while (longest_node->strips_right && longest.end < text.size() && is_space_at(text, longest.end)) {
      longest.end += code_point_at(text, longest.end).bytes;
    }
    while (longest_node->strips_left && longest.begin > from &&
           is_space_at(text, character_before(text, longest.begin))) {
      longest.begin = character_before(text, longest.begin);
    }
    return longest;
  }
  return {text.size(), text.size(), -1};
}

}  // namespace troupe
