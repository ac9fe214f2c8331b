#pragma once
// An inference service without a model: it keeps what was submitted, and a script, when there is one, answers at once.
// Otherwise the test writes the answers through the streams, from its own thread.
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/doors/inference_service.hpp"
#include "runtime/doors/model_catalog.hpp"

namespace troupe::test {

class ScriptedService : public InferenceService {
 public:
  using Script = std::function<void(const Request&, ResponseStream&)>;
  explicit ScriptedService(Script script = {}) : script_(std::move(script)) {}

  std::shared_ptr<ResponseStream> submit(Request request) override;
  // A token a byte; "!" is refused.
  void tokenize(TokenizeJob job, std::function<void(Result<std::vector<TokenId>>)> done) override;
  void detokenize(std::vector<TokenId> tokens, std::function<void(Result<std::string>)> done) override;
  Readiness readiness() const override;
  std::uint32_t retry_after_s() const override { return 7; }

  void set_readiness(Readiness readiness);
  std::size_t count() const;
  // Of the n-th submission, from 0; waits for it. Empty when it does not come.
  std::shared_ptr<ResponseStream> stream(std::size_t index);
  Request request(std::size_t index);
  std::optional<CancelReason> cancel_of(std::size_t index);

 private:
  struct Submission {
    Request request;
    std::shared_ptr<ResponseStream> stream;
    std::optional<CancelReason> cancelled;
  };
  const Script script_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Submission> submissions_;
  Readiness readiness_{Readiness::State::kReady, "", ""};
};

// Model "tiny", also called "small": 64 tokens of context, a vocabulary of 256 bytes, embeddings
// of 3 values.
ModelCatalog tiny_catalog();

void append_token(ResponseStream& stream, TokenId id, std::string_view text, std::vector<TopToken> top = {});

// "ok" as two tokens after a prompt of three.
void answer_ok(const Request& request, ResponseStream& stream);

}  // namespace troupe::test
