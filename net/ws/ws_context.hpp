#pragma once
// What a WebSocket session is given by the server.
#include <memory>
#include <string>

#include "net/ws/ws_limits.hpp"
#include "net/ws/ws_sockets.hpp"
#include "runtime/doors/clock.hpp"
#include "runtime/doors/inference_service.hpp"
#include "runtime/doors/model_catalog.hpp"
#include "runtime/memory_governor.hpp"
#include "runtime/metrics.hpp"

namespace troupe {

struct WsContext {
  InferenceService* service = nullptr;  // these three outlive every session
  const ModelCatalog* catalog = nullptr;
  Metrics* metrics = nullptr;          // nullptr: nothing is counted
  std::shared_ptr<WsSockets> sockets;  // of the server; where the session can be told to end
  std::string tenant;                  // Request::tenant of everything submitted here
  std::string request_id;              // of the upgrade; generation n is called request_id-n
  WsLimits limits;
  MemoryGovernorPtr memory;  // none: nothing is counted
  Clock clock = steady_clock();
};

}  // namespace troupe
