#pragma once
// The codec of a model: special tokens are cut out first, what is between goes through the model's kind of tokenizer
// (token_model.hpp). What all kinds share is here.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/doors/text_codec.hpp"
#include "text/chat_template/chat_template.hpp"
#include "text/tokenizer/special_tokens.hpp"
#include "text/tokenizer/token_model.hpp"
#include "text/tokenizer/vocabulary.hpp"

namespace troupe {

// Longer texts are refused: no context is this long, and bodies are limited long before.
inline constexpr std::size_t kTokenizeBytesMax = 64U << 20;

class ModelCodec final : public TextCodec {
 public:
  struct Parts {
    std::shared_ptr<const Vocabulary> vocabulary;  // decoders hold it too
    SpecialTokens special;
    std::unique_ptr<TokenModel> model;
    Result<ChatTemplate> chat_template;  // or why chats are refused
    ChatTemplateTokens template_tokens;
    std::optional<TokenId> bos;  // set when texts begin with it
    std::optional<TokenId> eos;  // set when texts end with it
    std::vector<TokenId> end_of_generation;
    bool nfc = false;            // stretches are brought to form C
    bool drops_a_space = false;  // the first of a whole text is what the tokenizer put there
  };
  explicit ModelCodec(Parts parts) : parts_(std::move(parts)) {}

  Result<std::vector<TokenId>> tokenize(std::string_view text, bool add_special, bool parse_special) const override;
  Result<std::vector<TokenId>> tokenize_chat(const ChatPrompt& prompt) const override;
  Status chat_template_status() const override;
  std::unique_ptr<TextDecoder> new_decoder() const override;
  std::unique_ptr<StopFilter> new_stop_filter(std::vector<std::string> stops) const override;
  std::string detokenize(std::span<const TokenId> tokens, bool show_special) const override;
  std::string token_bytes(TokenId token) const override;
  std::uint32_t vocab_size() const override { return parts_.vocabulary->size(); }
  std::span<const TokenId> end_of_generation() const override { return parts_.end_of_generation; }

 private:
  // No control token overlaps a mark.
  Result<std::vector<TokenId>> encode(std::string_view text, bool add_special, bool parse_special,
                                      std::span<const ByteRange> marks) const;

  Parts parts_;
};

}  // namespace troupe
