#pragma once
// UTF-8 (RFC 3629) as far as the wire needs it: what is a character, how many there are, where a text may be cut.
#include <cstddef>
#include <string_view>

namespace troupe {

// Bytes of the well-formed character `text` begins with, 1..4; 0 when it begins with none.
std::size_t utf8_length(std::string_view text);

std::size_t count_characters(std::string_view valid_utf8);

// The longest beginning of at most `bytes_max` bytes that does not end within a character.
std::string_view cut_utf8(std::string_view text, std::size_t bytes_max);

}  // namespace troupe
