#include "actors/prompt_part.hpp"

#include <algorithm>

namespace troupe {

std::shared_ptr<PromptPart> prompt_part(const TextCodec& codec, std::span<const TokenId> tokens, bool echo,
                                        const std::string* text) {
  auto part = std::make_shared<PromptPart>();
  std::string decoded;
  std::vector<std::size_t> begins;
  begins.reserve(tokens.size());
  std::unique_ptr<TextDecoder> decoder = codec.new_decoder();
  for (TokenId token : tokens) {
    begins.push_back(decoded.size());
    if (echo) decoder->push(token, decoded);
  }
  if (echo) part->text = text != nullptr ? *text : codec.detokenize(tokens, false);
  // Some tokenizers put a space before a text, which is not part of it.
  std::size_t added = echo && decoded.starts_with(' ') && !part->text.starts_with(' ') ? 1 : 0;
  part->tokens.reserve(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::size_t begin = std::min(begins[i] - std::min(begins[i], added), part->text.size());
    part->tokens.push_back({tokens[i], static_cast<std::uint32_t>(begin), {}});
  }
  return part;
}

}  // namespace troupe
