#pragma once
// The cells of QuantileSketch (runtime/observations.hpp), for whoever counts in them over another span than a minute.
#include <cstddef>

namespace troupe {
std::size_t cell_of(double seconds);  // [0, QuantileSketch::kCells)
double middle_of(std::size_t cell);   // seconds
}  // namespace troupe
