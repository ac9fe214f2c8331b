#pragma once
// What people really hand over instead of a model's file, seen from its first bytes.
#include <string>
#include <string_view>

namespace troupe {

// "this is an HTML page, not a model: the download failed"; empty when it is nothing we know.
std::string mistaken_file(std::string_view text);

}  // namespace troupe
