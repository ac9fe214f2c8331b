#pragma once
// The client door over HTTP: a keep-alive connection for each slot, one thread, one event loop.
#include <functional>
#include <memory>

#include "net/client/client_options.hpp"
#include "runtime/doors/completion_client.hpp"

namespace troupe {

class HttpCompletionClient : public CompletionClient {
 public:
  static constexpr int kHandlersPerTick = 256;

  // Resolves the host. kConfiguration: it has no address.
  static Result<std::unique_ptr<HttpCompletionClient>> create(ClientOptions options);
  ~HttpCompletionClient() override;

  void send(ClientRequest request) override;
  void cancel(std::uint32_t slot) override;

  // Runs the loop on this thread: calls `tick` at the time it asked for, and after every few events; returns when it
  // asks for no further one.
  void run(ClientListener& listener, const std::function<std::optional<SteadyTime>(SteadyTime now)>& tick);

  std::size_t open_connections() const;

 private:
  struct State;
  explicit HttpCompletionClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace troupe
