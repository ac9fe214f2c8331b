#pragma once
// The door between the network and the actors: a validated request goes in, a response stream comes out.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/doors/response_stream.hpp"
#include "runtime/request.hpp"
#include "runtime/result.hpp"

namespace troupe {

// Whether the server makes progress, and if not, which stage is stuck (R-D12).
struct Readiness {
  enum class State : std::uint8_t { kLoading, kReady, kStalled, kDraining, kFailed };
  State state = State::kLoading;
  std::string stage;    // the stuck or failed one: "executor", "batcher", "text", "cache"
  std::string message;  // for a person
};

struct TokenizeJob {
  PromptInput prompt;
  bool add_special = true;
};

class InferenceService {
 public:
  virtual ~InferenceService() = default;

  // Starts a request. Never blocks, never fails by itself: a refusal arrives as the stream's error. Sets the id.
  virtual std::shared_ptr<ResponseStream> submit(Request request) = 0;

  // On a text worker; `done` is called once, from any thread. kQueueFull when the workers' queue is full.
  virtual void tokenize(TokenizeJob job, std::function<void(Result<std::vector<TokenId>>)> done) = 0;
  virtual void detokenize(std::vector<TokenId> tokens, std::function<void(Result<std::string>)> done) = 0;

  virtual Readiness readiness() const = 0;

  // Seconds after which a refused client should come back, from the measured drain rate; >= 1.
  virtual std::uint32_t retry_after_s() const = 0;
};

}  // namespace troupe
