#include "conf/load.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "conf/quantity.hpp"
#include "conf/tenants.hpp"
#include "conf/toml_file.hpp"
#include "runtime/memory_governor.hpp"
#include "runtime/metric_aliases.hpp"

namespace troupe {
namespace {

// Variables that are read elsewhere, not knobs: the instruction set (a property of the machine, for tests) and what
// tests use to find the model.
constexpr std::string_view kOtherVariables[] = {"TROUPE_ISA", "TROUPE_TEST_MODEL", "TROUPE_TEST_TOKENIZERS",
                                                "TROUPE_SHARED_DIR", "TROUPE_SEED"};

constexpr std::size_t kAdminKeyMin = 16;

Error config_error(std::string message) { return Error{ErrorCode::kConfiguration, std::move(message), "", 0}; }

std::string range_text(const Knob& knob) {
  return " (" + std::to_string(knob.min) + " to " + std::to_string(knob.max) + " " + knob.unit + ")";
}

Status set_number(const Knob& knob, std::uint64_t value, std::uint64_t& target) {
  if (value < knob.min || value > knob.max)
    return config_error(std::string(knob.path) + " is " + std::to_string(value) + range_text(knob));
  target = value;
  return {};
}

// Splits "a,b,c"; the environment and flags have no other way to write a list.
TextList split_list(std::string_view text) {
  TextList list;
  while (!text.empty()) {
    std::size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) list.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return list;
}

std::string number_text(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

Status set_from_text(const Knob& knob, std::string_view text, Settings& settings) {
  std::string path = knob.path;
  if (auto* flag = std::get_if<bool Settings::*>(&knob.member)) {
    if (text == "true" || text == "1" || text == "on") return settings.*(*flag) = true, Status{};
    if (text == "false" || text == "0" || text == "off") return settings.*(*flag) = false, Status{};
    return config_error(path + " is \"" + std::string(text) + "\" (true or false)");
  }
  if (auto* number = std::get_if<std::uint32_t Settings::*>(&knob.member)) {
    std::uint64_t value = 0;
    auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc{} || end != text.data() + text.size())
      return config_error(path + " is \"" + std::string(text) + "\"" + range_text(knob));
    if (Status status = set_number(knob, value, value); !status) return status;
    settings.*(*number) = static_cast<std::uint32_t>(value);
    return {};
  }
  if (auto* real = std::get_if<double Settings::*>(&knob.member)) {
    double value = 0;
    auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    bool is_number = failed == std::errc{} && end == text.data() + text.size();
    // Written so that NaN is out of range.
    if (!is_number || !(value >= static_cast<double>(knob.min) && value <= static_cast<double>(knob.max)))
      return config_error(path + " is \"" + std::string(text) + "\"" + range_text(knob));
    settings.*(*real) = value;
    return {};
  }
  if (auto* bytes = std::get_if<Bytes Settings::*>(&knob.member)) {
    auto value = parse_quantity(text);
    if (!value) return config_error(path + ": " + value.error().message);
    return set_number(knob, *value, (settings.*(*bytes)).value);
  }
  if (auto* list = std::get_if<TextList Settings::*>(&knob.member))
    return settings.*(*list) = split_list(text), Status{};
  settings.*std::get<std::string Settings::*>(knob.member) = text;
  return {};
}

Status set_from_file(const Knob& knob, const TomlEntry& entry, Settings& settings) {
  std::string where = entry.where + ": ";
  auto wrong_type = [&](const char* wanted) {
    return config_error(where + knob.path + " must be " + wanted + ", e.g. " + knob.path + " = " +
                        value_text(knob, settings));
  };
  auto at = [&](const Status& status) {
    return status ? Status{} : Status(config_error(where + status.error().message));
  };
  if (auto* flag = std::get_if<bool Settings::*>(&knob.member)) {
    auto* value = std::get_if<bool>(&entry.value);
    if (!value) return wrong_type("true or false");
    return settings.*(*flag) = *value, Status{};
  }
  if (auto* list = std::get_if<TextList Settings::*>(&knob.member)) {
    auto* value = std::get_if<TextList>(&entry.value);
    if (!value) return wrong_type("a list of strings");
    return settings.*(*list) = *value, Status{};
  }
  if (std::holds_alternative<std::string Settings::*>(knob.member)) {
    auto* value = std::get_if<std::string>(&entry.value);
    if (!value) return wrong_type("a string");
    return set_from_text(knob, *value, settings);
  }
  bool is_real = std::holds_alternative<double Settings::*>(knob.member);
  if (auto* real = std::get_if<double>(&entry.value); real && is_real)
    return at(set_from_text(knob, number_text(*real), settings));
  bool is_bytes = std::holds_alternative<Bytes Settings::*>(knob.member);
  if (auto* text = std::get_if<std::string>(&entry.value); text && is_bytes)
    return at(set_from_text(knob, *text, settings));
  auto* number = std::get_if<std::int64_t>(&entry.value);
  if (!number)
    return wrong_type(is_bytes ? "a number of bytes or a quantity" : is_real ? "a number" : "a whole number");
  if (*number < 0) return config_error(where + knob.path + " is " + std::to_string(*number) + range_text(knob));
  return at(set_from_text(knob, std::to_string(*number), settings));
}

Error unknown(const std::string& where, std::string_view name, std::string_view written_as) {
  std::string path(name.substr(0, 80));
  std::string near = nearest_knob(path);
  if (written_as == "environment") near = environment_name(*find_knob(near));
  return config_error(where + "unknown setting \"" + path + "\"; the nearest known one is \"" + near + "\"");
}

const Knob* find_by_environment(std::string_view name) {
  for (const Knob& knob : kKnobs)
    if (environment_name(knob) == name) return &knob;
  return nullptr;
}

// "TROUPE_SERVER_PROT" -> "server.prot", to find the nearest path for.
std::string path_of_variable(std::string_view name) {
  std::string path(name.substr(std::string_view("TROUPE_").size()));
  std::transform(path.begin(), path.end(), path.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (std::size_t cut = path.find('_'); cut != std::string::npos) path[cut] = '.';
  return path;
}

Status apply_file(const std::string& file, LoadedSettings& loaded) {
  auto entries = read_toml_file(file);
  if (!entries) return entries.error();
  std::vector<TomlEntry> of_lists;
  for (TomlEntry& entry : *entries) {
    if (entry.item >= 0) {
      of_lists.push_back(std::move(entry));
      continue;
    }
    const Knob* knob = find_knob(entry.path);
    if (!knob) return unknown(entry.where + ": ", entry.path, "file");
    if (Status status = set_from_file(*knob, entry, loaded.settings); !status) return status;
    loaded.origin[knob->path] = "file";
  }
  auto tenants = read_tenants(of_lists);
  if (!tenants) return tenants.error();
  loaded.settings.tenants = std::move(*tenants);
  return {};
}

Status apply_environment(const ConfigSources& sources, LoadedSettings& loaded) {
  for (const auto& [name, value] : sources.environment) {
    if (name.rfind("TROUPE_", 0) != 0) continue;
    if (std::find(std::begin(kOtherVariables), std::end(kOtherVariables), name) != std::end(kOtherVariables)) continue;
    const Knob* knob = find_by_environment(name);
    if (!knob) {
      Error error = unknown("environment: ", path_of_variable(name), "environment");
      return error;
    }
    if (Status status = set_from_text(*knob, value, loaded.settings); !status)
      return config_error("environment variable " + name + ": " + status.error().message);
    loaded.origin[knob->path] = "environment";
  }
  return {};
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

const Knob* find_knob(std::string_view path) {
  for (const Knob& knob : kKnobs)
    if (path == knob.path) return &knob;
  return nullptr;
}

std::string nearest_knob(std::string_view path) {
  const Knob* best = &kKnobs[0];
  std::size_t best_distance = SIZE_MAX;
  for (const Knob& knob : kKnobs) {
    std::size_t distance = edit_distance(path, knob.path);
    if (distance < best_distance) best = &knob, best_distance = distance;
  }
  return best->path;
}

std::string environment_name(const Knob& knob) {
  std::string name = "TROUPE_";
  for (const char* c = knob.path; *c != '\0'; ++c)
    name += *c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(*c)));
  return name;
}

namespace {

// As a basic string of TOML: in one line, whatever is in it.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n' || c == '\t' || c == '\r') {
      out += {'\\', c == '\n' ? 'n' : c == '\t' ? 't' : 'r'};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04X", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace

std::string value_text(const Knob& knob, const Settings& settings) {
  if (auto* flag = std::get_if<bool Settings::*>(&knob.member)) return settings.*(*flag) ? "true" : "false";
  if (auto* number = std::get_if<std::uint32_t Settings::*>(&knob.member)) return std::to_string(settings.*(*number));
  if (auto* real = std::get_if<double Settings::*>(&knob.member)) return number_text(settings.*(*real));
  if (auto* bytes = std::get_if<Bytes Settings::*>(&knob.member))
    return quoted(format_quantity((settings.*(*bytes)).value));
  if (auto* list = std::get_if<TextList Settings::*>(&knob.member)) {
    std::string text = "[";
    for (const std::string& item : settings.*(*list)) text += (text.size() > 1 ? ", " : "") + quoted(item);
    return text + "]";
  }
  return quoted(settings.*std::get<std::string Settings::*>(knob.member));
}

std::string shown_value(const Knob& knob, const Settings& settings) {
  std::string value = value_text(knob, settings);
  if (knob.path == std::string_view("server.api_keys") && !settings.api_keys.empty())
    return "[]  # " + std::to_string(settings.api_keys.size()) + " keys, not shown";
  if (knob.path == std::string_view("server.admin_key") && !settings.admin_key.empty()) return "\"\"  # set, not shown";
  return value;
}

Result<LoadedSettings> load_settings(const ConfigSources& sources) {
  LoadedSettings loaded;
  if (sources.file) {
    if (Status status = apply_file(*sources.file, loaded); !status) return status.error();
  }
  if (Status status = apply_environment(sources, loaded); !status) return status.error();
  for (const auto& [path, value] : sources.flags) {
    const Knob* knob = find_knob(path);
    if (!knob) return unknown("flag: ", path, "flag");
    if (Status status = set_from_text(*knob, value, loaded.settings); !status)
      return config_error("flag --" + path + ": " + status.error().message);
    loaded.origin[path] = "flag";
  }
  if (Status status = validate(loaded.settings); !status) return status.error();
  return loaded;
}

Status validate(const Settings& settings) {
  bool is_local = settings.host == "127.0.0.1" || settings.host == "::1" || settings.host == "localhost";
  bool has_keys = !settings.api_keys.empty();
  for (const TenantSettings& tenant : settings.tenants) has_keys |= !tenant.api_keys.empty();
  if (!is_local && !has_keys && !settings.insecure)
    return config_error("server.host is \"" + settings.host +
                        "\", which others can reach, and server.api_keys is empty: set keys, or server.insecure = true "
                        "if that is what you want");
  if (Status status = validate_keys(settings); !status) return status;
  if (!settings.admin_key.empty() && settings.admin_key.size() < kAdminKeyMin)
    return config_error("server.admin_key has " + std::to_string(settings.admin_key.size()) + " characters (at least " +
                        std::to_string(kAdminKeyMin) + ")");
  if (settings.prefill_chunk_max > settings.step_tokens_max)
    return config_error("batching.prefill_chunk_max is " + std::to_string(settings.prefill_chunk_max) +
                        ", more than batching.step_tokens_max, " + std::to_string(settings.step_tokens_max));
  if (settings.sequences_max > settings.step_tokens_max)
    return config_error("batching.sequences_max is " + std::to_string(settings.sequences_max) +
                        ", more than batching.step_tokens_max, " + std::to_string(settings.step_tokens_max));
  std::uint64_t needed = memory_needed(settings.body_max.value);
  if (settings.memory_limit.value > 0 && settings.memory_limit.value < needed)
    return config_error("memory.limit is " + format_quantity(settings.memory_limit.value) + ", less than the " +
                        format_quantity(needed) + " that one request of server.body_max, " +
                        format_quantity(settings.body_max.value) + ", may need");
  if (settings.batching_mode != "auto" && settings.batching_mode != "fixed")
    return config_error("batching.mode is \"" + settings.batching_mode + "\" (auto or fixed)");
  if (settings.precision != "int8" && settings.precision != "int4")
    return config_error("model.quantization.precision is \"" + settings.precision + "\" (int8 or int4)");
  if (settings.kv_type != "auto" && settings.kv_type != "int8" && settings.kv_type != "f16")
    return config_error("kv.type is \"" + settings.kv_type + "\" (auto, int8 or f16)");
  for (const std::string& vocabulary : settings.metrics_aliases)
    if (!is_alias_vocabulary(vocabulary))
      return config_error("metrics.aliases holds \"" + vocabulary + "\" (vllm, tgi or llamacpp)");
  constexpr std::string_view kLevels[] = {"debug", "info", "warning", "error"};
  if (std::find(std::begin(kLevels), std::end(kLevels), settings.log_level) == std::end(kLevels))
    return config_error("log.level is \"" + settings.log_level + "\" (debug, info, warning or error)");
  return {};
}

std::string print_settings(const LoadedSettings& loaded) {
  std::string text, section;
  for (const Knob& knob : kKnobs) {
    std::string path = knob.path;
    std::size_t dot = path.rfind('.');
    if (path.substr(0, dot) != section) {
      section = path.substr(0, dot);
      text += (text.empty() ? "[" : "\n[") + section + "]\n";
    }
    std::string value = shown_value(knob, loaded.settings);
    auto origin = loaded.origin.find(path);
    std::string line = path.substr(dot + 1) + " = " + value;
    if (line.size() < 34) line.resize(34, ' ');
    text += line + "  # " + knob.unit + "; " + (origin == loaded.origin.end() ? "default" : origin->second) + "; " +
            knob.why + "\n";
  }
  return text + print_tenants(loaded.settings.tenants);
}

}  // namespace troupe
