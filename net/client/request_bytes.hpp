#pragma once
// A request as it goes over the wire, head and body.
#include <string>

#include "net/client/client_options.hpp"
#include "runtime/doors/completion_client.hpp"

namespace troupe {

std::string completion_bytes(const ClientOptions& options, const ClientRequest& request);
std::string models_bytes(const ClientOptions& options);  // GET /v1/models

// "NAME: VALUE" or "NAME=VALUE". kConfiguration: not a header field, or one that the client writes itself.
Result<std::pair<std::string, std::string>> parse_header(std::string_view text);

}  // namespace troupe
