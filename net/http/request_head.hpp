#pragma once
// The head of an HTTP request as it was sent, without the library that parsed it.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

bool equals_ignoring_case(std::string_view a, std::string_view b);

struct RequestHead {
  std::string method;
  std::string target;
  unsigned version = 11;  // 10 or 11
  std::vector<std::pair<std::string, std::string>> fields;
  // As the parser understood the framing:
  std::optional<std::uint64_t> content_length;
  bool is_chunked = false;
  bool keep_alive = true;

  std::size_t count(std::string_view name) const;
  std::string_view find(std::string_view name) const;  // the first one's value; absent: empty
  bool has_body() const { return is_chunked || content_length.value_or(0) > 0; }
};

}  // namespace troupe
