#include "text/tokenizer/model_codec.hpp"

#include <utility>

#include "text/detokenizer.hpp"
#include "text/stop_matcher.hpp"
#include "text/unicode/nfc.hpp"
#include "text/utf8.hpp"

namespace troupe {

Result<std::vector<TokenId>> ModelCodec::tokenize(std::string_view text, bool add_special, bool parse_special) const {
  return encode(text, add_special, parse_special, {});
}

Result<std::vector<TokenId>> ModelCodec::encode(std::string_view text, bool add_special, bool parse_special,
                                                std::span<const ByteRange> marks) const {
  if (text.size() > kTokenizeBytesMax) {
    return Error{ErrorCode::kInvalidRequest,
                 "the text has " + std::to_string(text.size()) + " bytes; at most " +
                     std::to_string(kTokenizeBytesMax) + " are allowed",
                 "", 0};
  }
  if (std::optional<std::size_t> invalid = find_invalid_utf8(text)) {
    return Error{ErrorCode::kInvalidRequest, "the text is not valid UTF-8 at byte " + std::to_string(*invalid), "", 0};
  }
  std::vector<TokenId> out;
  if (add_special && parts_.bos) out.push_back(*parts_.bos);
  std::string normalized;
  std::unique_ptr<StretchEncoder> encoder = parts_.model->new_encoder(out);
  for (std::size_t at = 0; at < text.size();) {
    SpecialTokens::Match match = parts_.special.find(text, at, parse_special, marks);
    std::string_view stretch = text.substr(at, match.begin - at);
    bool is_first = at == 0;
    if (parts_.nfc && !is_plainly_nfc(stretch)) stretch = normalized = to_nfc(stretch);
    if (!stretch.empty()) encoder->encode(stretch, is_first);
    if (match.token >= 0) out.push_back(match.token);
    at = match.end;
  }
  if (add_special && parts_.eos) out.push_back(*parts_.eos);
  return out;
}

Result<std::vector<TokenId>> ModelCodec::tokenize_chat(const ChatPrompt& prompt) const {
  if (!parts_.chat_template) return parts_.chat_template.error();
  Result<MarkedText> rendered = parts_.chat_template->render(prompt, parts_.template_tokens);
  if (!rendered) return rendered.error();
  // No BOS but the template's own: Hugging Face adds none to a rendered chat either.
  return encode(rendered->bytes(), false, true, rendered->marks());
}

Status ModelCodec::chat_template_status() const {
  if (!parts_.chat_template) return parts_.chat_template.error();
  return {};
}

// What is generated goes on from a prompt, so that a space it begins with is its own.
std::unique_ptr<TextDecoder> ModelCodec::new_decoder() const {
  return std::make_unique<Detokenizer>(parts_.vocabulary, false);
}

std::unique_ptr<StopFilter> ModelCodec::new_stop_filter(std::vector<std::string> stops) const {
  return std::make_unique<StopMatcher>(std::move(stops));
}

std::string ModelCodec::detokenize(std::span<const TokenId> tokens, bool show_special) const {
  Detokenizer detokenizer(parts_.vocabulary, show_special);
  std::string text;
  for (TokenId token : tokens) detokenizer.push(token, text);
  detokenizer.finish(text);
  if (parts_.drops_a_space && text.starts_with(' ')) text.erase(0, 1);
  return text;
}

std::string ModelCodec::token_bytes(TokenId token) const {
  return parts_.vocabulary->contains(token) ? std::string(parts_.vocabulary->bytes(token)) : std::string();
}

}  // namespace troupe
