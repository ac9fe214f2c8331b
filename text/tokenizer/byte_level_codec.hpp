#pragma once
// The codec of byte-level BPE models ("gpt2" in GGUF: GPT-2, Llama 3, Qwen, SmolLM): special tokens are cut out first,
// then the pre-tokenizer cuts words, then each word's bytes are merged.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/doors/text_codec.hpp"
#include "text/chat_template/chat_template.hpp"
#include "text/tokenizer/merge_table.hpp"
#include "text/tokenizer/pre_tokenizer.hpp"
#include "text/tokenizer/special_tokens.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"
#include "text/tokenizer/vocabulary.hpp"

namespace troupe {

// Longer texts are refused: no context is this long, and bodies are limited long before.
inline constexpr std::size_t kTokenizeBytesMax = 64U << 20;

class ByteLevelCodec final : public TextCodec {
 public:
  // The ids in the spec must be in the vocabulary (make_text_codec checks).
  static Result<std::unique_ptr<TextCodec>> make(TokenizerSpec spec, PreTokenizerRules rules,
                                                 Result<ChatTemplate> chat_template);

  Result<std::vector<TokenId>> tokenize(std::string_view text, bool add_special, bool parse_special) const override;
  Result<std::vector<TokenId>> tokenize_chat(const ChatPrompt& prompt) const override;
  Status chat_template_status() const override;
  std::unique_ptr<TextDecoder> new_decoder() const override;
  std::unique_ptr<StopFilter> new_stop_filter(std::vector<std::string> stops) const override;
  std::string detokenize(std::span<const TokenId> tokens, bool show_special) const override;
  std::string token_bytes(TokenId token) const override;
  std::uint32_t vocab_size() const override { return vocabulary_->size(); }
  std::span<const TokenId> end_of_generation() const override { return end_of_generation_; }

 private:
  class WordEncoder;
  ByteLevelCodec(Vocabulary vocabulary, MergeTable merges, SpecialTokens special, PreTokenizerRules rules,
                 Result<ChatTemplate> chat_template);
  // No control token overlaps a mark.
  Result<std::vector<TokenId>> encode(std::string_view text, bool add_special, bool parse_special,
                                      std::span<const ByteRange> marks) const;

  std::shared_ptr<const Vocabulary> vocabulary_;  // decoders hold it too
  MergeTable merges_;
  SpecialTokens special_;
  PreTokenizerRules rules_;
  Result<ChatTemplate> chat_template_;  // or why chats are refused
  ChatTemplateTokens template_tokens_;
  std::array<TokenId, 256> byte_tokens_{};  // -1: the vocabulary lacks this byte
  std::optional<TokenId> unknown_;          // stands for such a byte when the model has a token of that type
  std::optional<TokenId> bos_;              // set when texts begin with it
  std::optional<TokenId> eos_;              // set when texts end with it
  std::vector<TokenId> end_of_generation_;
};

}  // namespace troupe
