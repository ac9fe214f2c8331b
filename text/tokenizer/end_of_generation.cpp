#include "text/tokenizer/end_of_generation.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

namespace troupe {

namespace {

constexpr std::string_view kEndTexts[] = {"<|eot_id|>",
                                          "<|im_end|>",
                                          "<|end|>",
                                          "<|return|>",
                                          "<|call|>",
                                          "<|flush|>",
                                          "<|calls|>",
                                          "<end_of_turn>",
                                          "<|endoftext|>",
                                          "</s>",
                                          "<|eom_id|>",
                                          "<EOT>",
                                          "_<EOT>",
                                          "[EOT]",
                                          "[EOS]",
                                          "<|end_of_text|>",
                                          "<end_of_utterance>",
                                          "<eos>",
                                          "<turn|>",
                                          "<|tool_response>",
                                          "<｜end▁of▁sentence｜>",
                                          "[e~["};

}  // namespace

std::vector<TokenId> end_of_generation_tokens(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  std::vector<TokenId> ids;
  for (const auto& id : {spec.eos_id, spec.eot_id, spec.eom_id, spec.fim_pad_id, spec.fim_rep_id, spec.fim_sep_id}) {
    if (id) ids.push_back(static_cast<TokenId>(*id));
  }
  for (std::uint32_t id : spec.more_end_ids) ids.push_back(static_cast<TokenId>(id));
  // gpt-oss: <|end|> separates channels, <|return|> and <|call|> end. Gemma 4: </s> is a tag like any other.
  bool end_separates = vocabulary.find("<|return|>") && vocabulary.find("<|call|>");
  bool s_is_a_tag = vocabulary.find("<|tool_response>").has_value();
  for (std::string_view text : kEndTexts) {
    if ((text == "<|end|>" && end_separates) || (text == "</s>" && s_is_a_tag)) continue;
    std::optional<TokenId> id = vocabulary.find(text);
    if (id && vocabulary.type(*id) == TokenType::kControl) ids.push_back(*id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace troupe
