#pragma once
// The door to everything between text and token ids. Immutable after loading, callable from any thread.
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/request.hpp"
#include "runtime/result.hpp"

namespace troupe {

// Bytes of a token stream, cut so that only whole UTF-8 characters come out. A pure function of the ids pushed.
class TextDecoder {
 public:
  virtual ~TextDecoder() = default;
  virtual void push(TokenId token, std::string& text) = 0;  // appends what became whole
  virtual void finish(std::string& text) = 0;               // appends U+FFFD for a character left unfinished
};

// Ends a text at its first stop string and holds back only what may still become one. A pure function of the text
// pushed, however it was cut into pieces.
class StopFilter {
 public:
  virtual ~StopFilter() = default;
  // Appends to `shown` what may be shown. True once a stop was found: the text ends before it.
  virtual bool push(std::string_view text, std::string& shown) = 0;
  virtual void finish(std::string& shown) = 0;  // the text is over without a stop: what was held back is shown
};

class TextCodec {
 public:
  virtual ~TextCodec() = default;

  // parse_special: "<|im_start|>" in the text becomes that token; off for users' text.
  // add_special: a BOS where the model wants one.
  virtual Result<std::vector<TokenId>> tokenize(std::string_view text, bool add_special, bool parse_special) const = 0;

  // The conversation through the model's chat template. Control tokens come from the template alone: what comes from
  // the messages is never parsed for them, whatever the template does with it. kInvalidRequest when the template
  // refuses the conversation (its own words in the message); else as chat_template_status.
  virtual Result<std::vector<TokenId>> tokenize_chat(const ChatPrompt& prompt) const = 0;
  // kUnsupported, with the reason, when the model has no chat template or one that does not compile.
  virtual Status chat_template_status() const = 0;

  virtual std::unique_ptr<TextDecoder> new_decoder() const = 0;  // special tokens are not shown
  virtual std::unique_ptr<StopFilter> new_stop_filter(std::vector<std::string> stops) const = 0;
  virtual std::string detokenize(std::span<const TokenId> tokens, bool show_special) const = 0;
  virtual std::string token_bytes(TokenId token) const = 0;  // raw bytes of one token, special ones by name; may be
                                                             // a part of a character

  virtual std::uint32_t vocab_size() const = 0;
  virtual std::span<const TokenId> end_of_generation() const = 0;  // ascending; sampling one ends the output
};

}  // namespace troupe
