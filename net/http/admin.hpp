#pragma once
// The operator's verbs at /admin/v1/...: docs/operations.md. Whoever calls has checked the key.
#include <functional>
#include <string_view>

#include "net/http/answer.hpp"
#include "net/http/http_options.hpp"
#include "runtime/metrics.hpp"

namespace troupe {

// Carries out what was asked at `path`, one of those in routes.cpp. `reply` is called once, from any thread.
void answer_admin(const AdminOptions& admin, const Metrics* metrics, std::string_view path, std::string_view body,
                  std::function<void(Answer)> reply);

}  // namespace troupe
