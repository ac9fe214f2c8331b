#pragma once
// Text from outside to a JSON value (RFC 8259, strictly): one value and nothing after it, UTF-8, no NaN or Infinity,
// at most kJsonDepthMax deep, every number within double. Two equal keys: the last one counts.
// Boost.JSON is seen inside net/ only.
#include <boost/json/value.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/result.hpp"

namespace troupe {

inline constexpr std::size_t kJsonDepthMax = 64;

Result<boost::json::value> parse_json(std::string_view text);
Result<boost::json::value> parse_json_object(std::string_view text);  // something else than an object is an error

// The value as JSON, cut to some 60 bytes: for messages.
std::string brief(const boost::json::value& value);

}  // namespace troupe
