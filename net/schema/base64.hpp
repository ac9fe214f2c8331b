#pragma once
// Base64 (RFC 4648 section 4), padded.
#include <cstdint>
#include <span>
#include <string>

namespace troupe {

void append_base64(std::string& out, std::span<const std::uint8_t> bytes);

}  // namespace troupe
