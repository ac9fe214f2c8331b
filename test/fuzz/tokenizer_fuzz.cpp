// A tokenizer's part of a model file, then texts through it and back. The bytes: flags, kind and pre-tokenizer; the
// number of tokens, each with its length; their types; the number of merges, each with its length; six ids; the text.
#include <algorithm>
#include <iterator>

#include "runtime/check.hpp"
#include "test/fuzz/fuzz_input.hpp"
#include "text/text_codec.hpp"
#include "text/tokenizer/byte_alphabet.hpp"
#include "text/utf8.hpp"

namespace troupe::test {
namespace {

enum Flag : std::uint8_t {
  kAllBytes = 1,
  kTypes = 2,
  kScores = 4,
  kAddBos = 8,
  kAddEos = 16,
  kParse = 32,
  kSpacePrefix = 64
};

constexpr const char* kModels[] = {"gpt2", "llama", "bert", "t5", "", "gpt2x"};
constexpr const char* kPres[] = {"gpt-2", "smollm", "llama-bpe", "qwen2",   "default",
                                 "",      "tekken", "gpt-4o",    "nonsense"};

TokenizerSpec read_spec(FuzzInput& in, std::uint8_t flags) {
  TokenizerSpec spec;
  spec.model = kModels[in.byte() % std::size(kModels)];
  spec.pre = kPres[in.byte() % std::size(kPres)];
  if ((flags & kAllBytes) != 0) {
    for (int byte = 0; byte < 256; ++byte) spec.tokens.push_back(byte_stand_in(static_cast<std::uint8_t>(byte)));
  }
  std::size_t given = in.byte();
  for (std::size_t i = 0; i < given; ++i) spec.tokens.push_back(in.text());
  if ((flags & kTypes) != 0) {
    spec.token_types.assign(spec.tokens.size() - given, 1);
    for (std::size_t i = 0; i < given; ++i) spec.token_types.push_back(in.byte());
  }
  if ((flags & kScores) != 0) {
    for (std::size_t i = 0; i < spec.tokens.size(); ++i) spec.scores.push_back(-static_cast<float>(i));
  }
  std::size_t merges = in.byte();
  for (std::size_t i = 0; i < merges; ++i) spec.merges.push_back(in.text());
  for (auto* id : {&spec.bos_id, &spec.eos_id, &spec.eot_id, &spec.unknown_id, &spec.padding_id}) {
    if (std::uint8_t value = in.byte(); value > 0) *id = (spec.tokens.size() - given) + value - 1;
  }
  if (std::uint8_t value = in.byte(); value > 0) spec.more_end_ids.push_back(value);
  if ((flags & kAddBos) != 0) spec.add_bos = true;
  if ((flags & kAddEos) != 0) spec.add_eos = true;
  if ((flags & kSpacePrefix) != 0) spec.add_space_prefix = true;
  return spec;
}

// The same text whether it is decoded at once or a token at a time, and never half a character.
void check_decoding(const TextCodec& codec, const std::vector<TokenId>& tokens) {
  std::string in_pieces;
  auto decoder = codec.new_decoder();
  for (TokenId token : tokens) {
    decoder->push(token, in_pieces);
    TROUPE_CHECK(!find_invalid_utf8(in_pieces), "what a decoder gives is UTF-8");
  }
  decoder->finish(in_pieces);
  // A whole text loses the space that SentencePiece puts before it; pieces go on from a text and keep it.
  std::string whole = codec.detokenize(tokens, false);
  TROUPE_CHECK(in_pieces == whole || in_pieces == " " + whole, "a text does not depend on how it is decoded");
  TROUPE_CHECK(!find_invalid_utf8(codec.detokenize(tokens, true)), "a text is UTF-8");
}

void check_stops(const TextCodec& codec, std::string_view text, const std::vector<std::string>& stops) {
  auto whole = codec.new_stop_filter(stops), bytewise = codec.new_stop_filter(stops);
  std::string at_once, in_pieces;
  bool stopped = whole->push(text, at_once);
  if (!stopped) whole->finish(at_once);
  bool stopped_too = false;
  for (char c : text) {
    stopped_too = bytewise->push(std::string_view(&c, 1), in_pieces);
    if (stopped_too) break;
  }
  if (!stopped_too) bytewise->finish(in_pieces);
  TROUPE_CHECK(stopped == stopped_too && at_once == in_pieces, "stops do not depend on how a text is cut");
}

}  // namespace
}  // namespace troupe::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace troupe;
  using namespace troupe::test;
  FuzzInput in(bytes, size);
  const std::uint8_t flags = in.byte();
  TokenizerSpec spec = read_spec(in, flags);
  bool gives_back = (flags & kAllBytes) != 0 && spec.token_types.empty() && spec.model == "gpt2" && !spec.unknown_id;
  std::vector<std::string> stops;
  for (const std::string& merge : spec.merges) {
    if (!merge.empty() && stops.size() < 4) stops.push_back(merge);
  }
  auto codec = make_text_codec(std::move(spec));
  if (!codec) {
    TROUPE_CHECK(codec.error().code == ErrorCode::kModelFile && codec.error().message.size() > 8, "a clear error");
    return 0;
  }
  const std::string_view text = in.rest();
  auto tokens = (*codec)->tokenize(text, true, (flags & kParse) != 0);
  if (!tokens) {
    TROUPE_CHECK(tokens.error().code == ErrorCode::kInvalidRequest, "a text is refused as a request's");
    return 0;
  }
  for (TokenId token : *tokens) {
    TROUPE_CHECK(token >= 0 && token < static_cast<TokenId>((*codec)->vocab_size()), "ids are in the vocabulary");
  }
  check_decoding(**codec, *tokens);
  if (!stops.empty()) check_stops(**codec, text, stops);
  if (gives_back) {
    auto plain = (*codec)->tokenize(text, false, false);
    TROUPE_CHECK((*codec)->detokenize(*plain, true) == text, "a text comes back as it was");
  }
  return 0;
}
