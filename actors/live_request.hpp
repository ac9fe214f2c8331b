#pragma once
// What an operator may know of a live request without asking its actor: written by the request actor, read by the
// supervisor. The constant part is set before the two share it.
#include <atomic>
#include <memory>
#include <string>

#include "runtime/request.hpp"

namespace troupe {

struct LiveRequest {
  RequestId id = 0;
  std::string request_id;
  std::string tenant;  // its name, or the whole digest
  const char* route = "";
  std::int32_t priority = 0;
  SteadyTime arrived{};

  std::atomic<Stage> stage = Stage::kReceive;
  std::atomic<std::uint32_t> prompt_tokens = 0;
  std::atomic<std::uint32_t> completion_tokens = 0;
};
using LiveRequestPtr = std::shared_ptr<LiveRequest>;

}  // namespace troupe
