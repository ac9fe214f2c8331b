#pragma once
// Appends JSON to a string: the answer of every token goes through here, so it keeps no state and allocates nothing
// but the string's own growth. Commas are set by looking at what the string ends with.
//   JsonWriter(out).begin_object().field("id", id).field("created", 7).end_object();
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace troupe {

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(&out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  // Bytes that are not UTF-8 become U+FFFD, so the output is valid whatever comes in.
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(bool truth) { return raw(truth ? "true" : "false"); }
  JsonWriter& value(float number);  // shortest form that reads back the same; not finite: -9999.0, as OpenAI's -inf
  JsonWriter& value(double number);
  template <class Integer>
  requires std::is_integral_v<Integer> JsonWriter& value(Integer number) {
    if constexpr (std::is_signed_v<Integer>)
      return integer(static_cast<std::int64_t>(number));
    else
      return natural(static_cast<std::uint64_t>(number));
  }
  JsonWriter& null() { return raw("null"); }
  JsonWriter& raw(std::string_view json);  // a value that is JSON already

  template <class T>
  JsonWriter& field(std::string_view name, const T& v) {
    return key(name).value(v);
  }

 private:
  void comma();
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& integer(std::int64_t number);
  JsonWriter& natural(std::uint64_t number);

  std::string* out_;
};

}  // namespace troupe
