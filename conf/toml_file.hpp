#pragma once
// A TOML file as a flat list of "section.key" and value, each with where it stands; tables of [[section]] one by one. The only file that knows toml++.
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "conf/settings.hpp"
#include "runtime/result.hpp"

namespace troupe {

struct TomlEntry {
  std::string path;                                                               // "server.port"
  std::string where;                                                              // "server.toml:3"
  std::variant<bool, std::int64_t, double, std::string, TextList, std::monostate> value;  // monostate: a type no knob has
  int item = -1;  // in a list of tables: which one; it begins with an entry for itself, without a value
};

inline constexpr std::size_t kConfigBytesMax = 1U << 20;

Result<std::vector<TomlEntry>> read_toml_file(const std::string& path);

}  // namespace troupe
