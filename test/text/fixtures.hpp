#pragma once
// Reads the files of test/text/data (extract_fixtures.py and make_tokenizers.py write them).
#include <memory>
#include <string>
#include <vector>

#include "runtime/doors/text_codec.hpp"
#include "test/text/conversation.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"

namespace troupe::test {

std::vector<std::string> fixture_lines(const std::string& name);
std::vector<std::string> fields(const std::string& line, char separator);
std::vector<TokenId> ids(const std::string& numbers);

TokenizerSpec smollm2_spec();
const TextCodec& smollm2();  // made once

struct EncodedText {
  std::string text;
  std::vector<TokenId> ids;
};
struct SentencePieceFixture {
  TokenizerSpec spec;
  std::vector<EncodedText> texts;
};
SentencePieceFixture sentence_piece_fixture(const std::string& name);

// Printable bytes, then one token per entry of `more`; all normal. Merges are empty.
TokenizerSpec small_spec(const std::vector<std::string>& more);

}  // namespace troupe::test
