#include "conf/toml_file.hpp"

#include <sys/stat.h>
#include <algorithm>
#include <fstream>
#include <sstream>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "conf/settings.hpp"

namespace troupe {
namespace {

// Whether knobs stand below this table: "model", "model.quantization".
bool is_section(const std::string& path) {
  return std::any_of(std::begin(kKnobs), std::end(kKnobs),
                     [&](const Knob& knob) { return std::string_view(knob.path).rfind(path + ".", 0) == 0; });
}

std::string place(const std::string& file, const toml::source_region& source) {
  return file + ":" + std::to_string(source.begin.line);
}

TomlEntry entry_of(const std::string& file, std::string path, const toml::node& node, int item) {
  TomlEntry entry{std::move(path), place(file, node.source()), std::monostate{}, item};
  if (auto flag = node.as_boolean()) entry.value = flag->get();
  if (auto number = node.as_integer()) entry.value = number->get();
  if (auto real = node.as_floating_point()) entry.value = real->get();
  if (auto text = node.as_string()) entry.value = text->get();
  if (auto array = node.as_array()) {
    TextList list;
    for (const toml::node& one : *array) {
      if (!one.is_string()) return entry;
      list.push_back(one.as_string()->get());
    }
    entry.value = std::move(list);
  }
  return entry;
}

void flatten(const std::string& file, const std::string& prefix, const toml::table& table, int depth,
             std::vector<TomlEntry>& entries, int item = -1) {
  for (const auto& [key, node] : table) {
    std::string path = prefix.empty() ? std::string(key.str()) : prefix + "." + std::string(key.str());
    if (auto inner = node.as_table(); inner && (depth == 1 || is_section(path))) {
      flatten(file, path, *inner, depth + 1, entries, item);
    } else if (auto list = node.as_array(); list && list->is_array_of_tables() && depth == 1) {
      int table_item = 0;
      for (const toml::node& one : *list) {
        entries.push_back(entry_of(file, path, one, table_item));
        flatten(file, path, *one.as_table(), depth + 1, entries, table_item++);
      }
    } else {
      entries.push_back(entry_of(file, std::move(path), node, item));
    }
  }
}

}  // namespace

Result<std::vector<TomlEntry>> read_toml_file(const std::string& path) {
  auto fail = [&](const std::string& why) { return Error{ErrorCode::kConfiguration, why, "", 0}; };
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail("cannot read configuration \"" + path + "\": no such file");
  if (!S_ISREG(status.st_mode)) return fail("cannot read configuration \"" + path + "\": not a regular file");
  if (static_cast<std::size_t>(status.st_size) > kConfigBytesMax)
    return fail("configuration \"" + path + "\" has " + std::to_string(status.st_size) + " bytes (at most 1 MiB)");
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) return fail("cannot read configuration \"" + path + "\"");
  toml::parse_result parsed = toml::parse(text.str(), path);
  if (!parsed) return fail(place(path, parsed.error().source()) + ": " + std::string(parsed.error().description()));
  std::vector<TomlEntry> entries;
  flatten(path, "", parsed.table(), 1, entries);
  return entries;
}

}  // namespace troupe
