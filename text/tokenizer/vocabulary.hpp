#pragma once
// The tokens of a model, checked: text, type and bytes by id, and id by text.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/request.hpp"
#include "runtime/result.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"

namespace troupe {

inline constexpr std::uint32_t kVocabularyMax = 1U << 22;  // tokens
inline constexpr std::size_t kTokenBytesMax = 4096;        // text of one token

// How the text of an ordinary token spells the bytes it stands for.
enum class TokenSpelling : std::uint8_t {
  kByteStandIns,        // one printable character a byte (byte_alphabet.hpp)
  kSpaceMarks,          // U+2581 for a space; unused tokens stand for nothing
  kSpaceMarksForAdded,  // in user-defined tokens too: tokenizer.json, where they are part of the same vocabulary
};

class Vocabulary {
 public:
  // kModelFile when there are no tokens or too many, when the type array has another length, or when a byte token is
  // not of the form <0xHH>.
  static Result<Vocabulary> make(std::vector<std::string> tokens, const std::vector<std::int32_t>& types,
                                 TokenSpelling spelling);

  Vocabulary(Vocabulary&&) = default;  // moving keeps the strings where they are, copying would not
  Vocabulary& operator=(Vocabulary&&) = default;

  std::uint32_t size() const { return static_cast<std::uint32_t>(tokens_.size()); }
  bool contains(TokenId id) const { return id >= 0 && static_cast<std::uint32_t>(id) < size(); }

  const std::string& text(TokenId id) const { return tokens_[static_cast<std::size_t>(id)]; }  // as the file has it
  TokenType type(TokenId id) const { return types_[static_cast<std::size_t>(id)]; }
  std::string_view bytes(TokenId id) const;  // what the token stands for; its text for special ones

  // Special tokens are matched in the text before anything else: control, unknown and user-defined ones.
  bool is_special(TokenId id) const;
  // Control and unknown tokens are not shown in generated text.
  bool is_hidden(TokenId id) const { return type(id) == TokenType::kControl || type(id) == TokenType::kUnknown; }

  std::optional<TokenId> find(std::string_view text) const;  // of equal texts the last id

 private:
  Vocabulary() = default;
  Status add(std::string text, TokenType type, TokenSpelling spelling);

  std::vector<std::string> tokens_;
  std::vector<TokenType> types_;
  std::string bytes_;                                  // of all tokens, one after the other
  std::vector<std::uint32_t> bytes_begin_;             // size() + 1 offsets into bytes_
  std::unordered_map<std::string_view, TokenId> ids_;  // keys are views of tokens_
};

}  // namespace troupe
