#pragma once
// The rules of HTTP/1.1 a parser leaves to the application (RFC 9112): framing that two readers could understand
// differently, Host, Expect, encodings. What breaks them is answered and the connection closed; nothing after it is
// read.
#include <optional>

#include "net/http/answer.hpp"
#include "net/http/http_options.hpp"
#include "net/http/request_head.hpp"

namespace troupe {

// Rules that hold for every request, checked before anything else.
std::optional<Answer> refuse_head(const RequestHead& head, const HttpLimits& limits);

// Rules for the body of a request that will be read.
std::optional<Answer> refuse_body(const RequestHead& head, const HttpLimits& limits);

// The path of the target: without scheme and authority, without query. Empty: the target is malformed.
std::string_view path_of(std::string_view target);

}  // namespace troupe
