#include "cli/flags.hpp"

#include <unistd.h>
#include <map>

#include <CLI/CLI.hpp>

namespace troupe {
namespace {

const std::map<std::string, std::string> kShort = {
    {"server.host", "--host"},    {"server.port", "--port"},      {"metrics.port", "--metrics-port"},
    {"model.path", "--model,-m"}, {"model.context", "--context"}, {"compute.threads", "--threads,-t"},
};

std::vector<std::pair<std::string, std::string>> environment() {
  std::vector<std::pair<std::string, std::string>> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    std::string text = *variable;
    std::size_t equals = text.find('=');
    if (equals != std::string::npos) variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

}  // namespace

void KnobFlags::add_to(CLI::App& command) {
  command.add_option("--config,-c", config_, "a TOML file; `troupe check` prints every key of it with its default")
      ->type_name("FILE");
  const Settings defaults;
  for (const Knob& knob : kKnobs) {
    std::string path = knob.path;
    auto common = kShort.find(path);
    std::string names = (common == kShort.end() ? "" : common->second + ",") + "--" + path;
    command
        .add_option_function<std::string>(
            names, [this, path](const std::string& value) { values_.emplace_back(path, value); },
            std::string(knob.why) + " [" + value_text(knob, defaults) + "]")
        ->type_name(knob.unit)
        ->group(common == kShort.end()
                    ? "Every setting (also in TOML, and as " + environment_name(kKnobs[1]) + " and so on)"
                    : "Common settings");
  }
}

ConfigSources KnobFlags::sources() const {
  ConfigSources sources;
  if (!config_.empty()) sources.file = config_;
  sources.environment = environment();
  sources.flags = values_;
  return sources;
}

}  // namespace troupe
