#pragma once
// Reading a JSON document from outside: bounded, and an error says where it is. Boost.JSON is seen here and in net/
// only.
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/result.hpp"

namespace troupe {

inline constexpr std::size_t kTokenizerJsonBytesMax = 256U << 20;  // Gemma's has 33 MB
inline constexpr std::size_t kTokenizerJsonDepthMax = 32;

// kModelFile: "tokenizer.json: model.vocab is not an object"
Error broken_json(const std::string& where, const std::string& why);

// One value and nothing after it. `name` is the file's, for messages.
Result<boost::json::value> parse_document(std::string_view text, const std::string& name);

// An object of the document and where in it. A member that is null counts as missing.
class JsonView {
 public:
  static Result<JsonView> of(const boost::json::value& value, std::string where);

  const boost::json::value* find(std::string_view key) const;  // nullptr when it is missing
  std::string where(std::string_view key) const { return where_ + "." + std::string(key); }
  const std::string& where() const { return where_; }

  Result<bool> flag(std::string_view key, bool fallback) const;
  // Views of the document. Without a fallback the member must be there.
  Result<std::string_view> text(std::string_view key, std::optional<std::string_view> fallback = {}) const;
  Result<std::optional<JsonView>> object(std::string_view key) const;
  Result<const boost::json::array*> array(std::string_view key) const;  // nullptr when it is missing
  Result<std::uint32_t> id(std::string_view key) const;                 // a token's; must be there

 private:
  JsonView(const boost::json::object* object, std::string where) : object_(object), where_(std::move(where)) {}

  const boost::json::object* object_;
  std::string where_;
};

// A token id: an integer below kVocabularyMax.
Result<std::uint32_t> id_of(const boost::json::value& value, const std::string& where);

}  // namespace troupe
