#pragma once
// What a report says about the run it is of.
#include <string>
#include <utility>
#include <vector>

namespace troupe {

struct RunDescription {
  std::string url;
  std::string started;                                        // of the wall clock: "2026-11-28 14:03:12 UTC"
  std::string generator;                                      // "troupe 0.1.0"
  std::vector<std::pair<std::string, std::string>> settings;  // as flags, without keys and headers
  std::string ending;                                         // why it ended, when it was not to its plan
};

}  // namespace troupe
