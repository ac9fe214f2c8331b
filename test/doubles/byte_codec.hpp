#pragma once
// A text codec a person can check by hand: every byte is a token of the same number, four special tokens follow.
// The chat template writes <|role|>content<|end|> for each message, then <|assistant|>.
#include "runtime/doors/text_codec.hpp"

namespace troupe::test {

inline constexpr TokenId kEndToken = 256;  // <|end|>: ends the output
inline constexpr TokenId kSystemToken = 257;
inline constexpr TokenId kUserToken = 258;
inline constexpr TokenId kAssistantToken = 259;
inline constexpr std::uint32_t kByteVocab = 260;

class ByteCodec final : public TextCodec {
 public:
  Result<std::vector<TokenId>> tokenize(std::string_view text, bool add_special, bool parse_special) const override;
  Result<std::vector<TokenId>> tokenize_chat(const ChatPrompt& prompt) const override;
  Status chat_template_status() const override { return {}; }
  std::unique_ptr<TextDecoder> new_decoder() const override;
  std::unique_ptr<StopFilter> new_stop_filter(std::vector<std::string> stops) const override;
  std::string detokenize(std::span<const TokenId> tokens, bool show_special) const override;
  std::string token_bytes(TokenId token) const override;
  std::uint32_t vocab_size() const override { return kByteVocab; }
  std::span<const TokenId> end_of_generation() const override;
};

}  // namespace troupe::test
