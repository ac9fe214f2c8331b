#pragma once
// Normalization form C (Unicode 15.0, annex 15), in n log n whatever the text: libutf8proc's own ordering of combining
// marks is quadratic in their number, and texts are hostile.
#include <string>
#include <string_view>

namespace troupe {

// True when the text is in form C for the simple reason that it has no character at or beyond U+0300.
bool is_plainly_nfc(std::string_view text);

std::string to_nfc(std::string_view text);  // of valid UTF-8

}  // namespace troupe
