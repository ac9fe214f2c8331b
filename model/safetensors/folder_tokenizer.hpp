#pragma once
// The tokenizer of a Hugging Face folder: tokenizer.json, tokenizer_config.json, chat_template.jinja and
// generation_config.json.
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/result.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"

namespace troupe {

inline constexpr std::size_t kTokenizerConfigBytesMax = 16U << 20;
inline constexpr std::size_t kGenerationConfigBytesMax = 1U << 20;
inline constexpr std::size_t kChatTemplateFileBytesMax = 1U << 20;

// `end_ids` are config.json's, for a folder whose generation_config.json names none. chat_template.jinja counts before
// tokenizer_config.json. Only tokenizer.json must be there.
Result<TokenizerSpec> read_folder_tokenizer(const std::string& folder, std::vector<std::uint64_t> end_ids);

// eos_token_id of generation_config.json: one id or several; empty when it has none.
Result<std::vector<std::uint64_t>> read_end_ids(std::string_view generation_config_json);

}  // namespace troupe
