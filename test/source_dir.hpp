#pragma once
// The root of the source tree: where tests find data files. Known to one file only, so that a compiler cache serves a
// second clone for all the others.
#include <string>

namespace troupe::test {
std::string source_dir();
}
