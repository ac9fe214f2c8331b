#pragma once
// The playground and dashboard page: one HTML file without anything beside it, part of the program.
#include <string_view>

namespace troupe {
std::string_view playground_page();  // UTF-8, lives as long as the program
}
