#include "net/schema/error_object.hpp"

#include "net/schema/json_writer.hpp"
#include "net/schema/utf8.hpp"

namespace troupe {

int http_status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidRequest:
      return 400;
    case ErrorCode::kContextLengthExceeded:
      return 400;
    case ErrorCode::kUnsupported:
      return 400;
    case ErrorCode::kUnauthorized:
      return 401;
    case ErrorCode::kForbidden:
      return 403;
    case ErrorCode::kModelNotFound:
      return 404;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kMethodNotAllowed:
      return 405;
    case ErrorCode::kRequestTimeout:
      return 408;
    case ErrorCode::kPayloadTooLarge:
      return 413;
    case ErrorCode::kUriTooLong:
      return 414;
    case ErrorCode::kUnsupportedMediaType:
      return 415;
    case ErrorCode::kHeadersTooLarge:
      return 431;
    case ErrorCode::kQueueFull:
      return 429;
    case ErrorCode::kRateLimited:
      return 429;
    case ErrorCode::kDeadlineExceeded:
      return 504;
    case ErrorCode::kCancelled:
      return 499;  // nginx's word for it; the client is gone, only our books see it
    case ErrorCode::kShuttingDown:
      return 503;
    case ErrorCode::kNotReady:
      return 503;
    case ErrorCode::kShed:
      return 503;
    case ErrorCode::kInternal:
      return 500;
    case ErrorCode::kModelFile:
      return 500;
    case ErrorCode::kConfiguration:
      return 500;
  }
  return 500;
}

const char* error_type_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidRequest:
    case ErrorCode::kContextLengthExceeded:
    case ErrorCode::kUnsupported:
    case ErrorCode::kModelNotFound:
    case ErrorCode::kNotFound:
    case ErrorCode::kMethodNotAllowed:
    case ErrorCode::kRequestTimeout:
    case ErrorCode::kPayloadTooLarge:
    case ErrorCode::kUriTooLong:
    case ErrorCode::kUnsupportedMediaType:
    case ErrorCode::kHeadersTooLarge:
      return "invalid_request_error";
    case ErrorCode::kUnauthorized:
      return "authentication_error";
    case ErrorCode::kForbidden:
      return "permission_error";
    case ErrorCode::kQueueFull:
    case ErrorCode::kRateLimited:
      return "rate_limit_error";
    case ErrorCode::kDeadlineExceeded:
      return "timeout_error";
    case ErrorCode::kCancelled:
      return "cancelled_error";
    case ErrorCode::kShuttingDown:
    case ErrorCode::kNotReady:
    case ErrorCode::kShed:
      return "overloaded_error";
    case ErrorCode::kInternal:
    case ErrorCode::kModelFile:
    case ErrorCode::kConfiguration:
      return "server_error";
  }
  return "server_error";
}

const char* error_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidRequest:
      return nullptr;
    case ErrorCode::kContextLengthExceeded:
      return "context_length_exceeded";
    case ErrorCode::kUnsupported:
      return "unsupported_parameter";
    case ErrorCode::kUnauthorized:
      return "invalid_api_key";
    case ErrorCode::kForbidden:
      return "permission_denied";
    case ErrorCode::kModelNotFound:
      return "model_not_found";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kMethodNotAllowed:
      return "method_not_allowed";
    case ErrorCode::kRequestTimeout:
      return "request_timeout";
    case ErrorCode::kPayloadTooLarge:
      return "payload_too_large";
    case ErrorCode::kUriTooLong:
      return "uri_too_long";
    case ErrorCode::kUnsupportedMediaType:
      return "unsupported_media_type";
    case ErrorCode::kHeadersTooLarge:
      return "headers_too_large";
    case ErrorCode::kQueueFull:
      return "queue_full";
    case ErrorCode::kRateLimited:
      return "rate_limit_exceeded";
    case ErrorCode::kDeadlineExceeded:
      return "deadline_exceeded";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kShuttingDown:
      return "shutting_down";
    case ErrorCode::kNotReady:
      return "not_ready";
    case ErrorCode::kShed:
      return "shed";
    case ErrorCode::kInternal:
    case ErrorCode::kModelFile:
    case ErrorCode::kConfiguration:
      return "internal_error";
  }
  return "internal_error";
}

void append_error_object(std::string& out, const Error& error) {
  JsonWriter json(out);
  json.begin_object().key("error").begin_object();
  json.field("message", cut_utf8(error.message, kErrorMessageMax)).field("type", error_type_of(error.code));
  json.key("param");
  error.param.empty() ? json.null() : json.value(cut_utf8(error.param, kErrorMessageMax));
  json.key("code");
  const char* code = error_code_of(error.code);
  code == nullptr ? json.null() : json.value(code);
  json.end_object().end_object();
}

}  // namespace troupe
