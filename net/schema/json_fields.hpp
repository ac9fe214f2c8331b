#pragma once
// Reads the fields of a JSON object with the checks every field needs: right type, right range, null means absent.
// The first thing that is wrong is kept as an Error with `param`; whoever reads goes on and asks once, at the end.
//   JsonFields fields(object, error);
//   params.temperature = fields.number("temperature", 0, 2, 1);
//   if (error) return *error;
#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/result.hpp"

namespace troupe {

class JsonFields {
 public:
  // `prefix` stands before the names in errors: "stream_options.", "messages[3].". All three outlive the reader.
  JsonFields(const boost::json::object& object, std::optional<Error>& error, std::string_view prefix = {})
      : object_(object), error_(error), prefix_(prefix) {}

  const boost::json::value* find(std::string_view name) const;  // nullptr: absent or null

  bool boolean(std::string_view name, bool fallback);
  std::int64_t integer(std::string_view name, std::int64_t min, std::int64_t max, std::int64_t fallback);
  float number(std::string_view name, float min, float max, float fallback);  // min <= x <= max
  float positive_number(std::string_view name, float max, float fallback);    // 0 < x <= max
  std::string text(std::string_view name, std::size_t bytes_max);             // absent: empty
  const boost::json::object* object(std::string_view name);                   // absent: nullptr

  // Notes an error unless there is one already. `what` follows the name: "seed" + " must be an integer".
  void refuse(std::string_view name, std::string_view what, ErrorCode code = ErrorCode::kInvalidRequest);
  bool has_error() const { return error_.has_value(); }

 private:
  std::optional<float> real(std::string_view name);
  void refuse_type(std::string_view name, const boost::json::value& value, const char* expected);

  const boost::json::object& object_;
  std::optional<Error>& error_;
  std::string_view prefix_;
};

// An integer of any JSON spelling (5, 5.0) that fits; nothing for 5.5, 1e30, "5" and true.
std::optional<std::int64_t> as_integer(const boost::json::value& value);

}  // namespace troupe
