#pragma once
// The printable stand-in every byte has in a byte-level BPE vocabulary (GPT-2): bytes 21-7E, A1-AC and AE-FF hex stand
// for themselves as code points, the other 68 are U+0100, U+0101, ... in ascending order (so a space is U+0120).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

const std::string& byte_stand_in(std::uint8_t byte);  // UTF-8

// The bytes a token's text stands for. Nothing when it has a character that stands for no byte, or is not UTF-8.
std::optional<std::string> bytes_of_stand_ins(std::string_view token);

}  // namespace troupe
