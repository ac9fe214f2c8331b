#include "model/safetensors/json_object.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

#include "model/gguf/load_error.hpp"

namespace troupe {

namespace json = boost::json;

namespace {

const char* kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "true or false";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      return "a number";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
  }
  return "";
}

// A whole number of any spelling: 5, 5.0, 5e0.
std::optional<std::uint64_t> as_count(const json::value& value) {
  constexpr double kExactMax = 9007199254740992.0;  // 2^53: every whole number up to it is a double
  if (const std::int64_t* number = value.if_int64(); number != nullptr && *number >= 0)
    return static_cast<std::uint64_t>(*number);
  if (const std::uint64_t* number = value.if_uint64()) return *number;
  if (const double* number = value.if_double(); number != nullptr && *number >= 0.0 && *number <= kExactMax)
    if (*number == std::floor(*number)) return static_cast<std::uint64_t>(*number);
  return {};
}

std::optional<double> as_real(const json::value& value) {
  if (const std::int64_t* number = value.if_int64()) return static_cast<double>(*number);
  if (const std::uint64_t* number = value.if_uint64()) return static_cast<double>(*number);
  if (const double* number = value.if_double()) return *number;
  return {};
}

std::string shown(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", number);
  return text;
}

// No deeper than kFolderJsonDepthMax.
std::size_t members_of(const json::value& value) {
  std::size_t members = 0;
  if (const json::array* array = value.if_array()) {
    for (const json::value& element : *array) members += members_of(element);
  } else if (const json::object* object = value.if_object()) {
    members = object->size();
    for (const auto& member : *object) members += members_of(member.value());
  }
  return members;
}

// Of a text that is valid JSON: each member has one colon outside of strings.
std::size_t colons_of(std::string_view text) {
  std::size_t colons = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') in_string = !in_string;
    if (in_string && text[i] == '\\') ++i;
    if (!in_string && text[i] == ':') ++colons;
  }
  return colons;
}

}  // namespace

struct JsonDocument::Content {
  Content(json::value document, const std::string& name) : value(std::move(document)), file(name) {}

  json::value value;
  std::string file;
  Status status;
};

Result<JsonDocument> JsonDocument::parse(std::string_view text, const std::string& file, std::size_t bytes_max) {
  if (text.size() > bytes_max)
    return load_error(file, "has " + std::to_string(text.size()) + " bytes of JSON; at most " +
                                std::to_string(bytes_max) + " are supported");
  json::parse_options options;
  options.max_depth = kFolderJsonDepthMax;
  json::error_code failed;
  // One arena for the whole document: it is read once and dropped at once.
  json::value value = json::parse(text, failed, json::make_shared_resource<json::monotonic_resource>(), options);
  if (failed) return load_error(file, "is not valid JSON: " + failed.message());
  if (!value.is_object()) return load_error(file, std::string("is ") + kind_of(value) + ", not an object");
  if (members_of(value) != colons_of(text)) return load_error(file, "has a name twice in one object");
  return JsonDocument(std::make_shared<Content>(std::move(value), file));
}

JsonObject JsonDocument::root() {
  return JsonObject(content_->value.get_object(), content_->file, "", content_->status);
}

const Status& JsonDocument::status() const { return content_->status; }

const json::value* JsonObject::find(std::string_view name) const {
  const json::value* value = object_->if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

const json::value* JsonObject::find_or_refuse(std::string_view name, bool may_be_absent) {
  const json::value* value = find(name);
  if (value == nullptr && !may_be_absent) refuse(name, "is missing");
  return value;
}

bool JsonObject::has(std::string_view name) const { return find(name) != nullptr; }

std::vector<std::string_view> JsonObject::names() const {
  std::vector<std::string_view> names;
  names.reserve(object_->size());
  for (const auto& member : *object_) names.push_back(member.key());
  return names;
}

void JsonObject::refuse(std::string_view name, const std::string& what) {
  if (*status_) *status_ = load_error(file_, printable(prefix_ + std::string(name)) + " " + what);
}

void JsonObject::refuse_type(std::string_view name, const json::value& value, const char* wanted) {
  refuse(name, std::string("is ") + kind_of(value) + ", not " + wanted);
}

std::optional<std::uint64_t> JsonObject::count_of(std::string_view name, const json::value& value, std::uint64_t min,
                                                  std::uint64_t max) {
  std::optional<std::uint64_t> number = as_count(value);
  if (number && *number >= min && *number <= max) return number;
  std::string range = std::to_string(min) + " to " + std::to_string(max);
  if (number)
    refuse(name, "is " + std::to_string(*number) + "; it must be " + range);
  else if (auto real = as_real(value))
    refuse(name, "is " + shown(*real) + "; it must be a whole number from " + range);
  else
    refuse_type(name, value, "a whole number");
  return {};
}

std::optional<double> JsonObject::real_of(std::string_view name, const json::value& value, double min, double max) {
  std::optional<double> number = as_real(value);
  if (number && *number >= min && *number <= max) return number;
  if (number)
    refuse(name, "is " + shown(*number) + "; it must be " + shown(min) + " to " + shown(max));
  else
    refuse_type(name, value, "a number");
  return {};
}

std::uint64_t JsonObject::count(std::string_view name, std::uint64_t min, std::uint64_t max,
                                std::optional<std::uint64_t> fallback) {
  const json::value* value = find_or_refuse(name, fallback.has_value());
  if (value == nullptr) return fallback.value_or(min);
  return count_of(name, *value, min, max).value_or(min);
}

double JsonObject::real(std::string_view name, double min, double max, std::optional<double> fallback) {
  const json::value* value = find_or_refuse(name, fallback.has_value());
  if (value == nullptr) return fallback.value_or(min);
  return real_of(name, *value, min, max).value_or(min);
}

std::string JsonObject::text(std::string_view name, const std::optional<std::string>& fallback) {
  const json::value* value = find_or_refuse(name, fallback.has_value());
  if (value == nullptr) return fallback.value_or("");
  if (const json::string* text = value->if_string()) return std::string(text->data(), text->size());
  refuse_type(name, *value, "a string");
  return "";
}

bool JsonObject::flag(std::string_view name, bool fallback) {
  const json::value* value = find(name);
  if (value == nullptr) return fallback;
  if (const bool* flag = value->if_bool()) return *flag;
  refuse_type(name, *value, "true or false");
  return false;
}

std::optional<JsonObject> JsonObject::object(std::string_view name) {
  const json::value* value = find(name);
  if (value == nullptr) return {};
  if (const json::object* object = value->if_object())
    return JsonObject(*object, file_, prefix_ + std::string(name) + ".", *status_);
  refuse_type(name, *value, "an object");
  return {};
}

const json::array* JsonObject::array(std::string_view name, std::size_t entries_max) {
  const json::value* value = find(name);
  if (value == nullptr) return nullptr;
  const json::array* array = value->if_array();
  if (array == nullptr) {
    refuse_type(name, *value, "an array");
  } else if (array->size() > entries_max) {
    refuse(name, "has " + std::to_string(array->size()) + " entries; at most " + std::to_string(entries_max) +
                     " are supported");
    return nullptr;
  }
  return array;
}

std::vector<std::uint64_t> JsonObject::counts(std::string_view name, std::size_t entries_max, std::uint64_t max) {
  std::vector<std::uint64_t> counts;
  if (const json::array* entries = array(name, entries_max))
    for (const json::value& entry : *entries) counts.push_back(count_of(name, entry, 0, max).value_or(0));
  return counts;
}

std::vector<std::uint64_t> JsonObject::count_or_counts(std::string_view name, std::size_t entries_max,
                                                       std::uint64_t max) {
  const json::value* value = find(name);
  if (value == nullptr) return {};
  if (value->is_array()) return counts(name, entries_max, max);
  return {count_of(name, *value, 0, max).value_or(0)};
}

std::vector<double> JsonObject::reals(std::string_view name, std::size_t entries_max, double min, double max) {
  std::vector<double> reals;
  if (const json::array* entries = array(name, entries_max))
    for (const json::value& entry : *entries) reals.push_back(real_of(name, entry, min, max).value_or(min));
  return reals;
}

std::vector<std::string> JsonObject::texts(std::string_view name, std::size_t entries_max) {
  std::vector<std::string> texts;
  const json::array* entries = array(name, entries_max);
  for (std::size_t i = 0; entries != nullptr && i < entries->size(); ++i) {
    const json::string* text = (*entries)[i].if_string();
    if (text == nullptr) refuse_type(name, (*entries)[i], "an array of strings");
    texts.emplace_back(text == nullptr ? std::string() : std::string(text->data(), text->size()));
  }
  return texts;
}

}  // namespace troupe
