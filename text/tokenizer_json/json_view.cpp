#include "text/tokenizer_json/json_view.hpp"

#include <boost/json.hpp>

#include "text/tokenizer/vocabulary.hpp"

namespace troupe {

namespace json = boost::json;

Error broken_json(const std::string& where, const std::string& why) {
  return {ErrorCode::kModelFile, where + " " + why, "", 0};
}

Result<json::value> parse_document(std::string_view text, const std::string& name) {
  if (text.size() > kTokenizerJsonBytesMax) {
    return broken_json(name, "has " + std::to_string(text.size()) + " bytes; at most " +
                                 std::to_string(kTokenizerJsonBytesMax) + " are allowed");
  }
  json::parse_options options;
  options.max_depth = kTokenizerJsonDepthMax;
  json::error_code failed;
  // One arena for the whole document: it is read once and dropped at once.
  json::value value = json::parse(text, failed, json::make_shared_resource<json::monotonic_resource>(), options);
  if (failed) return broken_json(name, "is not valid JSON: " + failed.message());
  return value;
}

Result<JsonView> JsonView::of(const json::value& value, std::string where) {
  if (!value.is_object()) return broken_json(where, "is not an object");
  return JsonView(&value.get_object(), std::move(where));
}

const json::value* JsonView::find(std::string_view key) const {
  const json::value* value = object_->if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<bool> JsonView::flag(std::string_view key, bool fallback) const {
  const json::value* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) return broken_json(where(key), "is not true or false");
  return value->get_bool();
}

Result<std::string_view> JsonView::text(std::string_view key, std::optional<std::string_view> fallback) const {
  const json::value* value = find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value == nullptr || !value->is_string()) return broken_json(where(key), "is not a string");
  return std::string_view(value->get_string());
}

Result<std::optional<JsonView>> JsonView::object(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::optional<JsonView>();
  Result<JsonView> view = of(*value, where(key));
  if (!view) return view.error();
  return std::optional<JsonView>(std::move(*view));
}

Result<const json::array*> JsonView::array(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return static_cast<const json::array*>(nullptr);
  if (!value->is_array()) return broken_json(where(key), "is not an array");
  return &value->get_array();
}

Result<std::uint32_t> JsonView::id(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return broken_json(where(key), "is missing");
  return id_of(*value, where(key));
}

Result<std::uint32_t> id_of(const json::value& value, const std::string& where) {
  const std::int64_t* id = value.if_int64();  // larger ones are uint64, ones with a point double
  if (id == nullptr || *id < 0 || *id >= kVocabularyMax) {
    return broken_json(where, "is not a token id; those are integers below " + std::to_string(kVocabularyMax));
  }
  return static_cast<std::uint32_t>(*id);
}

}  // namespace troupe
