#pragma once
// What the HTTP server is told at start. Every bound a client can reach stands here.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "net/http/api_keys.hpp"
#include "net/ws/ws_limits.hpp"
#include "runtime/doors/access_log.hpp"
#include "runtime/doors/admin_service.hpp"
#include "runtime/memory_governor.hpp"

namespace troupe {

struct HttpLimits {
  std::size_t head_bytes_max = 16U << 10;       // request line and fields: 431
  std::size_t target_bytes_max = 8U << 10;      // 414
  std::size_t fields_max = 100;                 // 431
  std::size_t body_bytes_max = 8U << 20;        // 413
  std::size_t pipelined_bytes_max = 64U << 10;  // read ahead while an answer is being made
  // Absolute, however slowly the bytes drip:
  std::chrono::milliseconds head_timeout{30'000};
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::milliseconds keep_alive{75'000};   // between two requests
  std::chrono::milliseconds write_stall{30'000};  // the client takes nothing for so long: cancelled
  std::chrono::milliseconds linger{2'000};        // reading on after a final answer, so that it is not lost to a reset
  std::chrono::milliseconds sse_keep_alive{15'000};  // silence in a stream before a comment is sent
  std::uint32_t connections_max = 4096;              // beyond it a connection gets 503 at once
};

// Reads the configuration anew and applies it, or only says what that would change. `done` is called once, from any
// thread, with a JSON object of what changed; an error means that nothing did.
using ReloadFunction = std::function<void(bool dry_run, std::function<void(Result<std::string>)> done)>;

// Profiles the next `steps` steps. `done` is called once, from any thread, with the profile as JSON.
using ProfileFunction = std::function<void(std::uint32_t steps, std::function<void(Result<std::string>)> done)>;

struct AdminOptions {
  std::string key;                  // empty: there is nothing at /admin
  AdminService* service = nullptr;  // outlives the server
  ReloadFunction reload;
  ProfileFunction profile;
};

// What can be changed while the server runs. A request is answered by what was in force when its head had been read.
struct HttpTuning {
  std::vector<std::string> api_keys;        // none, and none of tenants: everybody may ask
  std::vector<ApiKeys::Named> tenant_keys;  // of tenants with a name
  HttpLimits limits;
  std::string cors_origin = "*";  // Access-Control-Allow-Origin; empty sends none
  bool guide_compat = false;      // "text" at the top level of completions
};

struct HttpOptions : HttpTuning {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;  // 0: one that is free
  std::uint32_t io_threads = 1;
  WsLimits ws_limits;
  std::string version;                 // of the program
  std::string page;                    // HTML of GET /; empty: there is none
  std::function<std::string()> stats;  // JSON of GET /stats, from any thread; empty: there is none
  AdminOptions admin;
  MemoryGovernorPtr memory;         // of what connections keep; none: nothing is counted
  AccessLog* access_log = nullptr;  // hears of requests that never reached the service; outlives the server
};

}  // namespace troupe
