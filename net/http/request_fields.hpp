#pragma once
// What a client may say in header fields of its request, beside the body.
#include <cstdint>
#include <optional>
#include <string>

#include "net/http/request_head.hpp"
#include "runtime/request.hpp"
#include "runtime/result.hpp"

namespace troupe {

// x-request-id, when it is harmless: it goes into headers and logs.
std::optional<std::string> request_id_of(const RequestHead& head);

// X-Request-Timeout-Ms in ms, or that there is none. kInvalidRequest names it and its bounds.
Result<std::optional<std::uint32_t>> timeout_of(const RequestHead& head);

// Cache-Control. no-store: the answer is not kept; no-cache: it is not looked up either.
CachePolicy cache_policy_of(const RequestHead& head);

}  // namespace troupe
