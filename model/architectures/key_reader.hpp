#pragma once
// Reads an architecture's keys one after the other; the first error stays, so that a builder asks once, at its end.
#include <cstdint>
#include <optional>
#include <string>

#include "model/gguf/metadata.hpp"

namespace troupe {

class KeyReader {
 public:
  // Keys are "<architecture>.<name>".
  KeyReader(const Metadata& metadata, const std::string& architecture)
      : metadata_(metadata), prefix_(architecture + ".") {}

  const Metadata& metadata() const { return metadata_; }
  std::string key(const char* name) const { return prefix_ + name; }
  bool has(const char* name) const { return metadata_.has(key(name)); }

  // What is missing without a fallback, of another type or out of range is an error, and `min`, 0, "" or false is
  // returned.
  std::uint32_t count(const char* name, std::uint64_t min, std::uint64_t max,
                      std::optional<std::uint64_t> fallback = {});
  double real(const char* name, double min, double max, std::optional<double> fallback = {});
  std::string text(const char* name, const char* fallback);
  bool flag(const char* name, bool fallback);
  void require(bool condition, const char* name, const std::string& reason);

  const Status& status() const { return status_; }

 private:
  void keep(Error error) {
    if (status_) status_ = std::move(error);
  }

  const Metadata& metadata_;
  const std::string prefix_;
  Status status_;
};

}  // namespace troupe
