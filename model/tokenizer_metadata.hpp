#pragma once
// The tokenizer's part of the metadata, and the plain struct text/ builds a codec from. Types and lengths are checked
// here, meaning there.
#include "model/gguf/metadata_writer.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"

namespace troupe {

// The arrays must have `vocab_size` entries each, and every id must be below it.
Result<TokenizerSpec> read_tokenizer_spec(const Metadata& metadata, std::uint32_t vocab_size);

// The other way, for a GGUF file made of another one. GGUF has the byte-level kind and SentencePiece's; another one,
// BPE over characters, is kModelFile. What GGUF has no key for is lost: NFC, and tokens that swallow spaces.
Status write_tokenizer_spec(const TokenizerSpec& spec, MetadataWriter& keys);

}  // namespace troupe
