#pragma once
// A Hugging Face folder's tokenizer.json and tokenizer_config.json as what a codec is made from.
#include <cstdint>
#include <string_view>

#include "runtime/result.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"

namespace troupe {

// Reads BPE, byte-level (GPT-2, Llama 3, Qwen, SmolLM, DeepSeek) or over characters with byte_fallback (Llama 2,
// Gemma). What we would do otherwise than the file says is an error that names it: another model, a normalizer or
// pre-tokenizer we do not have, an expression that no scanner of ours equals. NFC is applied when the file asks for it.
// Added tokens are looked for in the text as it comes, also those marked "normalized": with the normalizers we have
// that differs only where one overlaps another. tokenizer_config_json may be empty: then there is no chat template, and
// BOS and EOS are what the post-processor adds. generation_config.json is not read: more_end_ids stays empty.
Result<TokenizerSpec> read_tokenizer_json(std::string_view tokenizer_json, std::string_view tokenizer_config_json);

// Adds unused tokens up to vocab_size: a model's embedding often has more rows than its tokenizer has tokens.
// kModelFile when it has fewer.
Status pad_vocabulary(TokenizerSpec& spec, std::uint32_t vocab_size);

}  // namespace troupe
