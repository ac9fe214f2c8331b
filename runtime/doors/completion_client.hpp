#pragma once
// The door to a server under load: whoever decides when a request is sent (load/) does not know how (net/client). One
// thread: everything is called, and calls back, on the thread that runs the client.
#include <cstdint>
#include <optional>
#include <string>

#include "runtime/request.hpp"

namespace troupe {

// A slot is a place for one request at a time; a client keeps one connection for each and uses it again.
struct ClientRequest {
  std::uint32_t slot = 0;
  std::string prompt;
  std::uint32_t max_tokens = 0;
  std::string user;     // the request field `user`; empty: left out
  std::string api_key;  // in place of the one every request carries; empty: that one
};

enum class ClientEnding : std::uint8_t {
  kDone,         // a complete answer with status 200
  kRefused,      // 429 or 503: the server has no room now
  kHttpError,    // any other status
  kStreamError,  // an error event in a stream that had begun
  kConnect,      // no connection
  kBroken,       // the connection ended before the answer did
  kMalformed,    // not HTTP, not JSON, or beyond a bound
  kTimeout,
  kNotSent,  // the generator's own bound
  kCancelled,
};

struct ClientEnd {
  ClientEnding ending = ClientEnding::kDone;
  int status = 0;          // of HTTP; 0: none came
  std::string error;       // the server's error code or type, or what the connection said
  bool has_usage = false;  // the two counts are the server's
  std::uint32_t prompt_tokens = 0;
  std::uint32_t output_tokens = 0;
  std::optional<double> retry_after_s;
};

class ClientListener {
 public:
  virtual ~ClientListener() = default;
  // Text came: an event of a stream, most often one token. Never called for an answer that is not streamed.
  virtual void on_text(std::uint32_t slot, SteadyTime now) = 0;
  // Exactly once for each send(); the slot is free again.
  virtual void on_end(std::uint32_t slot, SteadyTime now, const ClientEnd& end) = 0;
};

class CompletionClient {
 public:
  virtual ~CompletionClient() = default;
  virtual void send(ClientRequest request) = 0;  // never calls the listener before it returns
  virtual void cancel(std::uint32_t slot) = 0;   // ends as kCancelled, unless it has ended
};

}  // namespace troupe
