#pragma once
// From token ids back to text, one token at a time: whole UTF-8 characters only, and the same text however the ids
// arrive.
#include <memory>
#include <string>

#include "runtime/doors/text_codec.hpp"
#include "text/tokenizer/vocabulary.hpp"
#include "text/utf8.hpp"

namespace troupe {

class Detokenizer final : public TextDecoder {
 public:
  Detokenizer(std::shared_ptr<const Vocabulary> vocabulary, bool show_special);

  void push(TokenId token, std::string& text) override;  // an id outside the vocabulary stands for nothing
  void finish(std::string& text) override;

 private:
  std::shared_ptr<const Vocabulary> vocabulary_;
  bool show_special_;
  Utf8Assembler assembler_;
};

}  // namespace troupe
