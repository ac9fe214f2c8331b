#pragma once
// Which tokens end the output: a set, not one id.
#include <vector>

#include "runtime/request.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"
#include "text/tokenizer/vocabulary.hpp"

namespace troupe {

// eos, eot, eom and the fill-in-the-middle separators the file names, its further ids, and the control tokens with a
// well-known end text. An ordinary token with such a text (Gemma's "</s>", an HTML tag) does not end anything.
// Ascending. The ids of the spec must be in the vocabulary.
std::vector<TokenId> end_of_generation_tokens(const TokenizerSpec& spec, const Vocabulary& vocabulary);

}  // namespace troupe
