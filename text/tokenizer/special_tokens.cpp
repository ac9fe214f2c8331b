#include "text/tokenizer/special_tokens.hpp"

#include <algorithm>
#include <string>

namespace troupe {

namespace {
bool by_byte(const std::pair<unsigned char, std::uint32_t>& child, unsigned char byte) { return child.first < byte; }
}  // namespace

Result<SpecialTokens> SpecialTokens::make(const Vocabulary& vocabulary) {
  SpecialTokens special;
  special.nodes_.emplace_back();
  for (TokenId id = 0; vocabulary.contains(id); ++id) {
    if (!vocabulary.is_special(id)) continue;
    const std::string& text = vocabulary.text(id);
    if (text.size() > kSpecialTokenBytesMax) {
      return Error{ErrorCode::kModelFile,
                   "tokenizer: special token " + std::to_string(id) + " has " + std::to_string(text.size()) +
                       " bytes; at most " + std::to_string(kSpecialTokenBytesMax) + " are allowed",
                   "", 0};
    }
    std::uint32_t at = 0;
    for (char c : text) {
      auto byte = static_cast<unsigned char>(c);
      auto& children = special.nodes_[at].children;
      auto found = std::lower_bound(children.begin(), children.end(), byte, by_byte);
      if (found != children.end() && found->first == byte) {
        at = found->second;
        continue;
      }
      auto created = static_cast<std::uint32_t>(special.nodes_.size());
      children.insert(found, {byte, created});
      special.nodes_.emplace_back();
      at = created;
    }
    special.nodes_[at].token = id;
    special.nodes_[at].hidden = vocabulary.is_hidden(id);
  }
  for (const auto& [byte, node] : special.nodes_[0].children) special.root_[byte] = node;
  return special;
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
    const Node* node = &nodes_[first];
    for (std::size_t end = begin + 1; node != nullptr; ++end) {
      if (node->token >= 0 && (end <= hidden_end_max || !node->hidden)) longest = {begin, end, node->token};
      if (end == text.size()) break;
      node = child(*node, static_cast<unsigned char>(text[end]));
    }
    if (longest.token >= 0) return longest;
  }
  return {text.size(), text.size(), -1};
}

}  // namespace troupe
