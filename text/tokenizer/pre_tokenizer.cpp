#include "text/tokenizer/pre_tokenizer.hpp"

#include "text/tokenizer/piece_scanner.hpp"

namespace troupe {

namespace {

struct NamesOfRules {
  PreTokenizerRules rules;
  std::string_view names;  // with a space between; as llama.cpp's converter writes them
};

constexpr NamesOfRules kRules[] = {
    {{Splitter::kGpt2, false, false},
     "gpt-2 gpt2 phi-2 mpt olmo jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code roberta-bpe modern-bert "
     "exaone4 gigachat trillion granite-docling a.x-4.0 mellum"},
    {{Splitter::kSmolLm, false, false}, "smollm starcoder refact command-r codeshell exaone minerva-7b mellum2"},
    {{Splitter::kLlama3, true, true}, "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano"},
    {{Splitter::kLlama3, false, false}, "dbrx smaug-bpe glm4 chatglm-bpe"},
    {{Splitter::kQwen2, false, false},
     "qwen2 deepseek-r1-qwen kormo megrez f2llmv2 stablelm2 hunyuan solar-open grok-2"},
    {{Splitter::kQwen35, false, false}, "qwen35"},
    {{Splitter::kTekken, true, true}, "tekken"},
    {{Splitter::kGpt4o, false, false}, "gpt-4o llama4 kanana2 minimax-m2"},
    {{Splitter::kDeepSeek3, false, false}, "deepseek-v3 hunyuan-dense joyai-llm"},
    {{Splitter::kDeepSeekCoder, false, false}, "deepseek-coder"},
    {{Splitter::kFalcon, false, false}, "falcon"},
    {{Splitter::kDefault, false, false}, "default"},
};

bool has_word(std::string_view words, std::string_view word) {
  for (std::size_t at = words.find(word); at != std::string_view::npos; at = words.find(word, at + 1)) {
    std::size_t end = at + word.size();
    if ((at == 0 || words[at - 1] == ' ') && (end == words.size() || words[end] == ' ')) return true;
  }
  return false;
}

}  // namespace

std::optional<PreTokenizerRules> find_pre_tokenizer(std::string_view pre) {
  if (pre.empty()) return find_pre_tokenizer("default");
  if (pre.find(' ') != std::string_view::npos) return std::nullopt;
  for (const NamesOfRules& each : kRules) {
    if (has_word(each.names, pre)) return each.rules;
  }
  return std::nullopt;
}

void split_text(Splitter splitter, std::string_view text, const EmitPiece& emit) {
  switch (splitter) {
    case Splitter::kGpt2:
      return split_gpt2(text, emit);
    case Splitter::kSmolLm:
      return split_smollm(text, emit);
    case Splitter::kLlama3:
      return split_llama3(text, 3, emit);
    case Splitter::kQwen2:
      return split_llama3(text, 1, emit);
    case Splitter::kQwen35:
      return split_qwen35(text, emit);
    case Splitter::kTekken:
      return split_tekken(text, emit);
    case Splitter::kGpt4o:
      return split_gpt4o(text, emit);
    case Splitter::kDeepSeek3:
      return split_deepseek3(text, emit);
    case Splitter::kDeepSeekCoder:
      return split_deepseek_coder(text, emit);
    case Splitter::kFalcon:
      return split_falcon(text, emit);
    case Splitter::kDefault:
      return split_default(text, emit);
  }
}

}  // namespace troupe
