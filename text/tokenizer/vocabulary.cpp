#include "text/tokenizer/vocabulary.hpp"

#include <utility>

#include "text/tokenizer/byte_alphabet.hpp"
#include "text/tokenizer/space_marks.hpp"

namespace troupe {

namespace {

constexpr std::size_t kCollisionsMax = 64;  // of hashes; honest vocabularies stay below 16

Error broken(std::string why) { return {ErrorCode::kModelFile, "tokenizer: " + std::move(why), "", 0}; }

// The byte of a token "<0xHH>" with upper-case digits.
std::optional<char> byte_token_value(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return std::nullopt;
  unsigned value = 0;
  for (char c : text.substr(3, 2)) {
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<unsigned>(c - '0');
    } else if (c >= 'A' && c <= 'F') {
      value = value * 16 + static_cast<unsigned>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
  }
  return static_cast<char>(static_cast<unsigned char>(value));
}

// What a token that is no byte token stands for.
std::string bytes_of(const std::string& text, TokenType type, TokenSpelling spelling) {
  bool is_ordinary = type == TokenType::kNormal || type == TokenType::kUnused;
  switch (spelling) {
    case TokenSpelling::kByteStandIns:
      return is_ordinary ? bytes_of_stand_ins(text).value_or(text) : text;
    case TokenSpelling::kSpaceMarks:
      return type == TokenType::kUnused ? "" : is_ordinary ? with_spaces_for_marks(text) : text;
    case TokenSpelling::kSpaceMarksForAdded:
      is_ordinary = is_ordinary || type == TokenType::kUserDefined;
      return type == TokenType::kUnused ? "" : is_ordinary ? with_spaces_for_marks(text) : text;
  }
  return text;
}

TokenType checked_type(std::int32_t type) {
  return type >= 1 && type <= 6 ? static_cast<TokenType>(type) : TokenType::kNormal;
}

}  // namespace

Result<Vocabulary> Vocabulary::make(std::vector<std::string> tokens, const std::vector<std::int32_t>& types,
                                    TokenSpelling spelling) {
  if (tokens.empty()) return broken("it has no tokens");
  if (tokens.size() > kVocabularyMax) {
    return broken("it has " + std::to_string(tokens.size()) + " tokens; at most " + std::to_string(kVocabularyMax) +
                  " are allowed");
  }
  if (!types.empty() && types.size() != tokens.size()) {
    return broken("token_type has " + std::to_string(types.size()) + " entries for " + std::to_string(tokens.size()) +
                  " tokens");
  }
  Vocabulary v;
  v.tokens_.reserve(tokens.size());  // never grows: ids_ has views of its strings
  v.types_.reserve(tokens.size());
  v.bytes_begin_.reserve(tokens.size() + 1);
  v.ids_.reserve(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    TokenType type = types.empty() ? TokenType::kNormal : checked_type(types[i]);
    if (Status added = v.add(std::move(tokens[i]), type, spelling); !added) return added.error();
  }
  v.bytes_begin_.push_back(static_cast<std::uint32_t>(v.bytes_.size()));
  return v;
}

Status Vocabulary::add(std::string text, TokenType type, TokenSpelling spelling) {
  std::string id = std::to_string(tokens_.size());
  if (text.size() > kTokenBytesMax) {
    return broken("token " + id + " has " + std::to_string(text.size()) + " bytes; at most " +
                  std::to_string(kTokenBytesMax) + " are allowed");
  }
  if (text.empty()) text = "[EMPTY_" + id + "]";
  if (bytes_.size() > UINT32_MAX - kTokenBytesMax) return broken("its tokens have more than 4 GiB of text");
  bytes_begin_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  if (type == TokenType::kByte) {
    std::optional<char> byte = byte_token_value(text);
    if (!byte) return broken("token " + id + " is a byte token but not of the form <0xHH>");
    bytes_.push_back(*byte);
  } else {
    bytes_ += bytes_of(text, type, spelling);
  }
  types_.push_back(type);
  tokens_.push_back(std::move(text));
  if (ids_.bucket_size(ids_.bucket(tokens_.back())) >= kCollisionsMax) {
    return broken("token " + id + " collides with too many others");
  }
  ids_[tokens_.back()] = static_cast<TokenId>(tokens_.size() - 1);
  return {};
}

std::string_view Vocabulary::bytes(TokenId id) const {
  auto i = static_cast<std::size_t>(id);
  return std::string_view(bytes_).substr(bytes_begin_[i], bytes_begin_[i + 1] - bytes_begin_[i]);
}

bool Vocabulary::is_special(TokenId id) const {
  TokenType t = type(id);
  return t == TokenType::kControl || t == TokenType::kUnknown || t == TokenType::kUserDefined;
}

std::optional<TokenId> Vocabulary::find(std::string_view text) const {
  auto found = ids_.find(text);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

}  // namespace troupe
