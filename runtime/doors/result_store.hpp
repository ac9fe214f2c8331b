#pragma once
// The door to a store of finished answers for deterministic requests. The cache actor owns one; in memory today,
// Redis later. A store may forget anything at any time, and never fails a request.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/doors/response_stream.hpp"

namespace troupe {

using ResultKey = std::array<std::uint8_t, 32>;  // SHA-256 over everything that decides the answer

// A finished answer, replayed to a client as a stream.
struct StoredResult {
  std::vector<StreamToken> tokens;
  std::string text;
  FinishReason finish = FinishReason::kStop;
  Usage usage;

  std::size_t bytes() const;  // what it costs to keep
};

class ResultStore {
 public:
  virtual ~ResultStore() = default;
  virtual std::shared_ptr<const StoredResult> find(const ResultKey& key) = 0;  // nullptr: not here
  virtual void store(const ResultKey& key, std::shared_ptr<const StoredResult> result) = 0;
  virtual std::size_t bytes_used() const = 0;
};

}  // namespace troupe
