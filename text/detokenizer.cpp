#include "text/detokenizer.hpp"

#include <utility>

namespace troupe {

Detokenizer::Detokenizer(std::shared_ptr<const Vocabulary> vocabulary, bool show_special)
    : vocabulary_(std::move(vocabulary)), show_special_(show_special) {}

void Detokenizer::push(TokenId token, std::string& text) {
  if (!vocabulary_->contains(token)) return;
  if (!show_special_ && vocabulary_->is_hidden(token)) return;
  assembler_.push(vocabulary_->bytes(token), text);
}

void Detokenizer::finish(std::string& text) { assembler_.finish(text); }

}  // namespace troupe
