#include "net/schema/json_parse.hpp"

#include <boost/json.hpp>
#include <cmath>

#include "net/schema/utf8.hpp"

namespace troupe {
namespace {

namespace json = boost::json;

// Boost.JSON reads 1e999 as infinity. No deeper than kJsonDepthMax.
bool has_only_finite_numbers(const json::value& value) {
  if (const double* number = value.if_double()) return std::isfinite(*number);
  if (const json::array* array = value.if_array()) {
    for (const json::value& element : *array) {
      if (!has_only_finite_numbers(element)) return false;
    }
  }
  if (const json::object* object = value.if_object()) {
    for (const auto& member : *object) {
      if (!has_only_finite_numbers(member.value())) return false;
    }
  }
  return true;
}

Error not_json(std::string_view why) {
  return Error{ErrorCode::kInvalidRequest, "the body is not valid JSON: " + std::string(why), "", 0};
}

// The top-level field with a number that is too large, so that the client knows where to look.
Error not_finite(const json::value& value) {
  Error error{ErrorCode::kInvalidRequest, "a number is outside the range of double", "", 0};
  if (const json::object* object = value.if_object()) {
    for (const auto& member : *object) {
      if (!has_only_finite_numbers(member.value())) error.param = std::string(cut_utf8(member.key(), 64));
    }
  }
  return error;
}

const char* kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
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

}  // namespace

Result<json::value> parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  json::error_code failed;
  // One arena for the whole document: it is read once and dropped at once.
  json::value value = json::parse(text, failed, json::make_shared_resource<json::monotonic_resource>(), options);
  if (failed) return not_json(failed.message());
  if (!has_only_finite_numbers(value)) return not_finite(value);
  return value;
}

Result<json::value> parse_json_object(std::string_view text) {
  Result<json::value> value = parse_json(text);
  if (value.ok() && !value->is_object()) return not_json(std::string("an object is expected, not ") + kind_of(*value));
  return value;
}

std::string brief(const json::value& value) {
  constexpr std::size_t kBytesMax = 60;
  char buffer[kBytesMax + 4];
  json::serializer serializer;
  serializer.reset(&value);
  std::string_view head = serializer.read(buffer, sizeof buffer);
  if (head.size() <= kBytesMax) return std::string(head);
  return std::string(cut_utf8(head, kBytesMax)) + "...";
}

}  // namespace troupe
