#pragma once
// Reads a JSON object of one of a folder's files with the checks every member needs: there, of the right type, within
// its range; null counts as absent. The first thing that is wrong stays in the document: whoever reads goes on and asks
// once, at the end. Boost.JSON is seen in the .cpp alone.
//   JsonObject config = document->root();
//   std::uint64_t layers = config.count("num_hidden_layers", 1, 512);
//   if (!document->status()) return document->status().error();
#include <boost/json/fwd.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"

namespace troupe {

inline constexpr std::size_t kFolderJsonDepthMax = 32;

// Part of a document, which must outlive it.
class JsonObject {
 public:
  bool has(std::string_view name) const;  // there, and not null
  std::vector<std::string_view> names() const;

  // Without a fallback the member must be there. After an error `min`, "", false or nothing is returned.
  std::uint64_t count(std::string_view name, std::uint64_t min, std::uint64_t max,
                      std::optional<std::uint64_t> fallback = {});
  double real(std::string_view name, double min, double max, std::optional<double> fallback = {});
  std::string text(std::string_view name, const std::optional<std::string>& fallback = {});
  bool flag(std::string_view name, bool fallback);
  std::optional<JsonObject> object(std::string_view name);  // nothing when it is absent

  // Arrays of at most `entries_max`; empty when absent.
  std::vector<std::uint64_t> counts(std::string_view name, std::size_t entries_max, std::uint64_t max);
  std::vector<std::uint64_t> count_or_counts(std::string_view name, std::size_t entries_max, std::uint64_t max);
  std::vector<double> reals(std::string_view name, std::size_t entries_max, double min, double max);
  std::vector<std::string> texts(std::string_view name, std::size_t entries_max);

  // Notes an error unless there is one already. `what` follows the name: "hidden_act" + " must be \"silu\"".
  void refuse(std::string_view name, const std::string& what);

 private:
  friend class JsonDocument;
  JsonObject(const boost::json::object& object, std::string_view file, std::string prefix, Status& status)
      : object_(&object), file_(file), prefix_(std::move(prefix)), status_(&status) {}

  const boost::json::value* find(std::string_view name) const;
  const boost::json::value* find_or_refuse(std::string_view name, bool may_be_absent);
  const boost::json::array* array(std::string_view name, std::size_t entries_max);
  void refuse_type(std::string_view name, const boost::json::value& value, const char* wanted);
  std::optional<std::uint64_t> count_of(std::string_view name, const boost::json::value& value, std::uint64_t min,
                                        std::uint64_t max);
  std::optional<double> real_of(std::string_view name, const boost::json::value& value, double min, double max);

  const boost::json::object* object_;
  std::string_view file_;
  std::string prefix_;  // "rope_scaling."
  Status* status_;
};

class JsonDocument {
 public:
  // `file` is the name for messages. kModelFile when the text is not one JSON object (RFC 8259, strictly), is longer
  // than `bytes_max`, deeper than kFolderJsonDepthMax, or has an object with two members of one name.
  static Result<JsonDocument> parse(std::string_view text, const std::string& file, std::size_t bytes_max);

  JsonObject root();
  const Status& status() const;

 private:
  struct Content;
  explicit JsonDocument(std::shared_ptr<Content> content) : content_(std::move(content)) {}

  std::shared_ptr<Content> content_;
};

}  // namespace troupe
