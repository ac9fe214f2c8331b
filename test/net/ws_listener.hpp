#pragma once
// The smallest server that hands upgrade requests to WebSocket sessions, so that a test can choose their limits.
// Listens on a free port of 127.0.0.1, one thread.
#include <cstdint>
#include <memory>

#include "net/ws/ws_limits.hpp"
#include "net/ws/ws_sockets.hpp"
#include "runtime/doors/inference_service.hpp"
#include "runtime/doors/model_catalog.hpp"
#include "runtime/memory_governor.hpp"
#include "runtime/metrics.hpp"

namespace troupe::test {

class WsListener {
 public:
  // All four outlive it.
  WsListener(InferenceService& service, const ModelCatalog& catalog, Metrics& metrics, WsSockets& sockets,
             WsLimits limits, MemoryGovernorPtr memory = nullptr);
  ~WsListener();
  std::uint16_t port() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace troupe::test
