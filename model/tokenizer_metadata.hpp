#pragma once
// The tokenizer's part of the metadata as the plain struct text/ builds a codec from. Types and lengths are checked
// here, meaning there.
#include "model/gguf/metadata.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"

namespace troupe {

// The arrays must have `vocab_size` entries each, and every id must be below it.
Result<TokenizerSpec> read_tokenizer_spec(const Metadata& metadata, std::uint32_t vocab_size);

}  // namespace troupe
