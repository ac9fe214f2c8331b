#include "runtime/metric_labels.hpp"

#include <charconv>
#include <string_view>

namespace troupe {
namespace {

// The index of the label that is the number in decimal; the last label is for all others.
template <std::size_t N>
std::size_t index_of(const std::array<const char*, N>& labels, int number) {
  char digits[12];
  std::string_view text(digits,
                        static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, number).ptr - digits));
  for (std::size_t i = 0; i + 1 < N; ++i) {
    if (text == labels[i]) return i;
  }
  return N - 1;
}

}  // namespace

Fault fault_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidRequest:
    case ErrorCode::kContextLengthExceeded:
    case ErrorCode::kUnsupported:
    case ErrorCode::kUnauthorized:
    case ErrorCode::kForbidden:
    case ErrorCode::kModelNotFound:
    case ErrorCode::kNotFound:
    case ErrorCode::kMethodNotAllowed:
    case ErrorCode::kRequestTimeout:
    case ErrorCode::kPayloadTooLarge:
    case ErrorCode::kUriTooLong:
    case ErrorCode::kUnsupportedMediaType:
    case ErrorCode::kHeadersTooLarge:
    case ErrorCode::kRateLimited:
    case ErrorCode::kCancelled:
      return Fault::kClient;
    case ErrorCode::kQueueFull:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kShuttingDown:
    case ErrorCode::kNotReady:
    case ErrorCode::kShed:
    case ErrorCode::kInternal:
    case ErrorCode::kModelFile:
    case ErrorCode::kConfiguration:
      return Fault::kServer;
  }
  return Fault::kServer;
}

HttpStatus http_status(int status) { return static_cast<HttpStatus>(index_of(label_values(HttpStatus{}), status)); }

WsClose ws_close(int code) { return static_cast<WsClose>(index_of(label_values(WsClose{}), code)); }

}  // namespace troupe
