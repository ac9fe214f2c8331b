#pragma once
// Parses the key-value part of a GGUF file. Every count is compared with the bytes that are left before anything is
// allocated for it.
#include <cstdint>

#include "model/gguf/cursor.hpp"
#include "model/gguf/metadata.hpp"

namespace troupe {

inline constexpr std::uint64_t kMetadataKeysMax = 65536;
inline constexpr std::uint64_t kKeyBytesMax = 1024;
inline constexpr std::uint64_t kStringBytesMax = 16ULL << 20;
inline constexpr std::uint64_t kArrayElementsMax = 64ULL << 20;

// Reads `count` pairs and leaves the cursor behind them.
Result<Metadata> parse_metadata(Cursor& cursor, std::uint64_t count);

}  // namespace troupe
