#include "net/schema/json_fields.hpp"

#include <boost/json.hpp>
#include <cmath>
#include <limits>

#include "net/schema/json_parse.hpp"
#include "net/schema/json_writer.hpp"

namespace troupe {
namespace {

std::string written(float number) {
  std::string out;
  JsonWriter(out).value(number);
  return out;
}

std::string out_of_range(const boost::json::value& value, const std::string& range) {
  return " is " + brief(value) + "; it must be " + range;
}

}  // namespace

std::optional<std::int64_t> as_integer(const boost::json::value& value) {
  constexpr double kExact = 9007199254740992.0;  // 2^53: beyond it a double no longer says which integer was meant
  if (const std::int64_t* number = value.if_int64()) return *number;
  if (const double* number = value.if_double()) {
    if (std::abs(*number) <= kExact && std::trunc(*number) == *number) return static_cast<std::int64_t>(*number);
  }
  return std::nullopt;  // uint64 holds only what int64 cannot
}

const boost::json::value* JsonFields::find(std::string_view name) const {
  const boost::json::value* value = object_.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool JsonFields::boolean(std::string_view name, bool fallback) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return fallback;
  if (const bool* truth = value->if_bool()) return *truth;
  refuse_type(name, *value, "a boolean");
  return fallback;
}

std::int64_t JsonFields::integer(std::string_view name, std::int64_t min, std::int64_t max, std::int64_t fallback) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return fallback;
  bool is_open = max == std::numeric_limits<std::int64_t>::max();
  std::string range =
      is_open ? "at least " + std::to_string(min) : "between " + std::to_string(min) + " and " + std::to_string(max);
  std::optional<std::int64_t> number = as_integer(*value);
  if (!number) {
    if (value->is_uint64())
      refuse(name, out_of_range(*value, range));
    else
      refuse_type(name, *value, "an integer");
    return fallback;
  }
  if (!(min <= *number && *number <= max)) {
    refuse(name, out_of_range(*value, range));
    return fallback;
  }
  return *number;
}

std::optional<float> JsonFields::real(std::string_view name) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) return static_cast<float>(value->to_number<double>());
  refuse_type(name, *value, "a number");
  return std::nullopt;
}

float JsonFields::number(std::string_view name, float min, float max, float fallback) {
  std::optional<float> x = real(name);
  if (!x) return fallback;
  if (!(min <= *x && *x <= max)) {  // negated, so that NaN would not pass
    refuse(name, out_of_range(*find(name), "between " + written(min) + " and " + written(max)));
    return fallback;
  }
  return *x;
}

float JsonFields::positive_number(std::string_view name, float max, float fallback) {
  std::optional<float> x = real(name);
  if (!x) return fallback;
  if (!(0.0F < *x && *x <= max)) {
    refuse(name, out_of_range(*find(name), "greater than 0 and at most " + written(max)));
    return fallback;
  }
  return *x;
}

std::string JsonFields::text(std::string_view name, std::size_t bytes_max) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return {};
  const boost::json::string* string = value->if_string();
  if (string == nullptr) {
    refuse_type(name, *value, "a string");
    return {};
  }
  if (string->size() > bytes_max) {
    refuse(name, " is " + std::to_string(string->size()) + " bytes long; at most " + std::to_string(bytes_max) +
                     " are allowed");
    return {};
  }
  return std::string(std::string_view(*string));
}

const boost::json::object* JsonFields::object(std::string_view name) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return nullptr;
  if (value->is_object()) return &value->get_object();
  refuse_type(name, *value, "an object");
  return nullptr;
}

void JsonFields::refuse(std::string_view name, std::string_view what, ErrorCode code) {
  if (error_) return;
  std::string param = std::string(prefix_) + std::string(name);
  error_ = Error{code, param + std::string(what), param, 0};
}

void JsonFields::refuse_type(std::string_view name, const boost::json::value& value, const char* expected) {
  refuse(name, " must be " + std::string(expected) + ", not " + brief(value));
}

}  // namespace troupe
