#include "text/tokenizer/byte_fallback.hpp"

#include <algorithm>

namespace troupe {

std::optional<TokenId> unknown_token(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  if (!spec.unknown_id) return std::nullopt;
  auto id = static_cast<TokenId>(*spec.unknown_id);
  return vocabulary.type(id) == TokenType::kUnknown ? std::optional(id) : std::nullopt;
}

ByteFallback::ByteFallback(const TokenizerSpec& spec, const Vocabulary& vocabulary)
    : unknown_(unknown_token(spec, vocabulary)) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  for (std::size_t byte = 0; byte < bytes_.size(); ++byte) {
    std::string text = std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + '>';
    std::optional<TokenId> id = vocabulary.find(text);
    if (!id) id = vocabulary.find(std::string(1, static_cast<char>(static_cast<unsigned char>(byte))));
    if (id && !vocabulary.is_hidden(*id)) bytes_[byte] = id;
  }
}

void ByteFallback::append(std::string_view character, std::size_t begin, std::vector<TokenId>& out) const {
  auto token_of = [&](char c) { return bytes_[static_cast<unsigned char>(c)]; };
  if (std::all_of(character.begin(), character.end(), [&](char c) { return token_of(c).has_value(); })) {
    for (char c : character) out.push_back(*token_of(c));
    return;
  }
  bool is_in_a_row = out.size() > begin && out.back() == unknown_.value_or(-1);
  if (unknown_ && !is_in_a_row) out.push_back(*unknown_);
}

}  // namespace troupe
