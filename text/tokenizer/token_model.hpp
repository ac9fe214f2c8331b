#pragma once
// How text without special tokens becomes ids: the part of a codec in which kinds of tokenizers differ.
#include <memory>
#include <string_view>
#include <vector>

#include "runtime/request.hpp"

namespace troupe {

// Encodes the stretches of one text between its special tokens, in order, and may remember what it has seen of it.
class StretchEncoder {
 public:
  virtual ~StretchEncoder() = default;
  // Appends ids. The stretch is valid UTF-8; is_first: nothing stands before it, no special token either.
  virtual void encode(std::string_view stretch, bool is_first) = 0;
};

// Immutable, called from any thread.
class TokenModel {
 public:
  virtual ~TokenModel() = default;
  virtual std::unique_ptr<StretchEncoder> new_encoder(std::vector<TokenId>& out) const = 0;
};

}  // namespace troupe
