#pragma once
// An Error as OpenAI's clients expect it: a status, and {"error":{"message","type","param","code"}}.
#include <string>

#include "runtime/result.hpp"

namespace troupe {

inline constexpr std::size_t kErrorMessageMax = 1024;  // bytes of the client's own words that an answer may repeat

int http_status_of(ErrorCode code);
const char* error_type_of(ErrorCode code);  // "invalid_request_error"
const char* error_code_of(ErrorCode code);  // "model_not_found"; nullptr: null on the wire

void append_error_object(std::string& out, const Error& error);

}  // namespace troupe
