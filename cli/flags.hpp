#pragma once
// The command line's view of the knobs: every path is a flag (--server.port 8080), the common ones have short names.
#include <string>
#include <utility>
#include <vector>

#include "conf/load.hpp"

namespace CLI {
class App;
}

namespace troupe {

class KnobFlags {
 public:
  void add_to(CLI::App& command);
  // File, environment and these flags. Errors are the caller's to print.
  Result<LoadedSettings> load() const { return load_settings(sources()); }
  ConfigSources sources() const;
  bool has_config() const { return !config_.empty(); }

 private:
  std::string config_;
  std::vector<std::pair<std::string, std::string>> values_;
};

}  // namespace troupe
