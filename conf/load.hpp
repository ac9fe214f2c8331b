#pragma once
// From a TOML file, the environment and flags to Settings. Later sources win: default < file < environment < flag.
// All of it or nothing: an unknown key (the nearest known one is named), a wrong type or a value out of range is an
// error that says where it stands.
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/settings.hpp"
#include "runtime/result.hpp"

namespace troupe {

struct ConfigSources {
  std::optional<std::string> file;                               // path of a TOML file
  std::vector<std::pair<std::string, std::string>> environment;  // every variable; those named TROUPE_* count
  std::vector<std::pair<std::string, std::string>> flags;        // knob path -> value as text
};

struct LoadedSettings {
  Settings settings;
  std::map<std::string, std::string> origin;  // knob path -> "file", "environment", "flag"; absent: default
};

Result<LoadedSettings> load_settings(const ConfigSources& sources);

// What can only be seen in the whole: an address beyond this machine without keys, a chunk larger than a step.
Status validate(const Settings& settings);

// The settings as TOML, each with its unit and where it came from, and the tenants. API keys are not shown.
std::string print_settings(const LoadedSettings& loaded);

// As value_text; of keys only how many there are.
std::string shown_value(const Knob& knob, const Settings& settings);

std::string environment_name(const Knob& knob);  // "server.port" -> "TROUPE_SERVER_PORT"
std::string value_text(const Knob& knob, const Settings& settings);
const Knob* find_knob(std::string_view path);
std::string nearest_knob(std::string_view path);  // by edit distance
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace troupe
