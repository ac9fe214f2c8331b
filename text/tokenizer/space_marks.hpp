#pragma once
// The mark U+2581 that stands for a space in SentencePiece vocabularies, and the space that goes before text there.
#include <optional>
#include <string>
#include <string_view>

#include "text/tokenizer/tokenizer_spec.hpp"

namespace troupe {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

// `stretch` with marks for spaces; `prefix`: where a space goes before it, if anywhere.
std::string with_space_marks(std::string_view stretch, std::optional<SpacePrefix> prefix, bool is_first);

std::string with_spaces_for_marks(std::string_view token);

}  // namespace troupe
