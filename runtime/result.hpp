#pragma once
// Errors we expect are values. Result<T> holds a T or an Error; Status holds nothing or an Error.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "runtime/check.hpp"

namespace troupe {

// Every way a request, a file or a setting can fail. Each protocol maps it in one switch without default.
enum class ErrorCode : std::uint8_t {
  kInvalidRequest,         // a field is missing, of the wrong type or out of range
  kContextLengthExceeded,  // prompt + max_tokens is more than the model's context
  kUnsupported,            // a field or feature this server does not have (yet): said, never ignored
  kUnauthorized,           // no key or a wrong one
  kForbidden,              // a key, but not for this
  kModelNotFound,          // no model of that name is served here
  kNotFound,               // no such path or id
  kMethodNotAllowed,
  kRequestTimeout,         // the client took too long to send its request
  kPayloadTooLarge,
  kUriTooLong,
  kUnsupportedMediaType,
  kHeadersTooLarge,
  kQueueFull,              // no room now; retry_after_s says when
  kRateLimited,            // its tenant has used what it may have; retry_after_s says when
  kDeadlineExceeded,       // the request's own deadline passed
  kCancelled,              // the client left or asked for it
  kShuttingDown,           // draining
  kNotReady,               // loading, or a stage is stuck
  kShed,                   // an operator ended it to make room, or ended all of its tenant
  kInternal,               // our fault
  kModelFile,              // the model file is broken or of a kind we do not know
  kConfiguration,          // a setting is wrong
};
const char* name_of(ErrorCode code);  // "queue_full"

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;             // for a person: names the thing, the value, the limit
  std::string param;               // the request field it is about, when there is one
  std::uint32_t retry_after_s = 0; // kQueueFull, kRateLimited, kShuttingDown: when a retry is likely to succeed
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}     // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return checked(), std::get<0>(state_); }
  const T& value() const& { return checked(), std::get<0>(state_); }
  T&& value() && { return checked(), std::move(std::get<0>(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const {
    TROUPE_CHECK(!ok(), "error() of a Result that holds a value");
    return std::get<1>(state_);
  }

 private:
  void checked() const { TROUPE_CHECK(ok(), "value() of a Result that holds an error"); }
  std::variant<T, Error> state_;
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design
  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    TROUPE_CHECK(error_.has_value(), "error() of a Status that is ok");
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace troupe
