#include "net/client/http_completion_client.hpp"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "net/client/answer_reader.hpp"
#include "net/client/http_connection.hpp"
#include "net/client/request_bytes.hpp"

namespace troupe {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

SteadyTime now() { return std::chrono::steady_clock::now(); }

// GET /v1/models, once.
class ModelLookup : public ExchangeListener {
 public:
  enum class Stage { kNotAsked, kAsking, kAnswered };

  void start(asio::io_context& io, const HttpConnection::Endpoints& endpoints, const ClientOptions& options,
             std::function<void(std::string model)> done) {
    stage = Stage::kAsking;
    done_ = std::move(done);
    connection_ = std::make_shared<HttpConnection>(io, endpoints, options.timeout, *this);
    connection_->exchange(models_bytes(options));
  }
  void close() {
    if (connection_) connection_->close();
  }

  void on_head(int status, bool /*is_event_stream*/, std::string_view /*retry_after*/) override { status_ = status; }
  void on_body(std::string_view bytes) override { body_ += bytes; }
  void on_over(ClientEnding ending, const std::string& /*error*/) override {
    stage = Stage::kAnswered;
    done_(ending == ClientEnding::kDone && status_ == 200 ? first_model_id(body_) : "");
  }

  Stage stage = Stage::kNotAsked;

 private:
  std::shared_ptr<HttpConnection> connection_;
  std::function<void(std::string)> done_;
  std::string body_;
  int status_ = 0;
};

}  // namespace

struct HttpCompletionClient::State {
  // The request of a slot.
  class Call : public ExchangeListener {
   public:
    Call(State& state, std::uint32_t slot) : state_(state), slot_(slot) {
      connection = std::make_shared<HttpConnection>(state.io, state.endpoints, state.options.timeout, *this);
    }

    void send(ClientRequest request) {
      request_ = std::move(request);
      resend();
    }
    void resend() {
      reader_.reset();
      has_model_ = !state_.options.model.empty();
      connection->exchange(completion_bytes(state_.options, request_));
    }
    void end(const ClientEnd& end) { state_.listener->on_end(slot_, now(), end); }

    void on_head(int status, bool is_event_stream, std::string_view retry_after) override {
      status_ = status;
      retry_after_ = std::string(retry_after);
      reader_.emplace(status, is_event_stream);
    }
    void on_body(std::string_view bytes) override {
      std::uint32_t texts = reader_->feed(bytes);
      SteadyTime at = now();
      for (std::uint32_t i = 0; i < texts; ++i) state_.listener->on_text(slot_, at);
    }
    void on_over(ClientEnding ending, const std::string& error) override {
      ClientEnd end;
      if (reader_ && (ending == ClientEnding::kDone || ending == ClientEnding::kBroken)) {
        end = reader_->finish(ending == ClientEnding::kDone, retry_after_);
        if (end.ending == ClientEnding::kBroken) end.error = error;
      } else {
        end.ending = ending;
        end.error = error;
      }
      bool is_about_model = reader_ && reader_->demands_model() && !has_model_ && status_ >= 400 && status_ < 500;
      if (is_about_model && state_.look_up_model(*this, end)) return;
      this->end(end);
    }

    std::shared_ptr<HttpConnection> connection;
    ClientEnd refused_without_model;

   private:
    State& state_;
    const std::uint32_t slot_;
    ClientRequest request_;
    bool has_model_ = false;
    std::optional<AnswerReader> reader_;
    std::string retry_after_;
    int status_ = 0;
  };

  // True: the call waits for the model's name, or is sent again with it.
  bool look_up_model(Call& call, const ClientEnd& end) {
    if (lookup.stage == ModelLookup::Stage::kAnswered) {
      if (options.model.empty()) return false;
      call.resend();
      return true;
    }
    call.refused_without_model = end;
    waiting.push_back(&call);
    if (lookup.stage == ModelLookup::Stage::kAsking) return true;
    lookup.start(io, endpoints, options, [this](std::string model) {
      options.model = std::move(model);
      for (Call* one : std::exchange(waiting, {})) {
        if (options.model.empty())
          one->end(one->refused_without_model);
        else
          one->resend();
      }
    });
    return true;
  }

  explicit State(ClientOptions given) : options(std::move(given)) {}
  ~State() {
    for (auto& call : calls) {
      if (call) call->connection->close();
    }
    lookup.close();
  }

  ClientOptions options;
  HttpConnection::Endpoints endpoints;
  ClientListener* listener = nullptr;
  asio::io_context io;
  std::vector<std::unique_ptr<Call>> calls;  // by slot
  ModelLookup lookup;
  std::vector<Call*> waiting;  // for the model's name; at most one a slot
};

HttpCompletionClient::HttpCompletionClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpCompletionClient::~HttpCompletionClient() = default;

Result<std::unique_ptr<HttpCompletionClient>> HttpCompletionClient::create(ClientOptions options) {
  auto state = std::make_unique<State>(std::move(options));
  tcp::resolver resolver(state->io);
  boost::system::error_code failed;
  const ClientUrl& url = state->options.url;
  auto found = resolver.resolve(url.host, std::to_string(url.port), failed);
  if (failed)
    return Error{ErrorCode::kConfiguration, "cannot resolve the host " + url.host + ": " + failed.message(), "", 0};
  for (const auto& entry : found) state->endpoints.push_back(entry.endpoint());
  return std::unique_ptr<HttpCompletionClient>(new HttpCompletionClient(std::move(state)));
}

void HttpCompletionClient::send(ClientRequest request) {
  std::uint32_t slot = request.slot;
  if (slot >= state_->calls.size()) state_->calls.resize(slot + 1);
  auto& call = state_->calls[slot];
  if (!call) call = std::make_unique<State::Call>(*state_, slot);
  call->send(std::move(request));
}

void HttpCompletionClient::cancel(std::uint32_t slot) {
  asio::post(state_->io, [state = state_.get(), slot] {
    auto& call = state->calls[slot];
    auto waits = std::find(state->waiting.begin(), state->waiting.end(), call.get());
    if (waits == state->waiting.end()) return call->connection->cancel();
    state->waiting.erase(waits);
    call->end({ClientEnding::kCancelled, 0, "", false, 0, 0, {}});
  });
}

void HttpCompletionClient::run(ClientListener& listener,
                               const std::function<std::optional<SteadyTime>(SteadyTime now)>& tick) {
  state_->listener = &listener;
  asio::io_context& io = state_->io;
  auto work = asio::make_work_guard(io);  // between two answers there may be nothing to do
  asio::steady_timer timer(io);
  SteadyTime armed = SteadyTime::max();
  for (;;) {
    auto wake = tick(now());
    if (!wake) return;
    // Waking too early does no harm, so a timer is moved only forward: most ticks make no system call for it.
    if (*wake < armed) {
      armed = *wake;
      timer.expires_at(armed);
      timer.async_wait([&armed](const boost::system::error_code& failed) {
        if (!failed) armed = SteadyTime::max();
      });
    }
    io.run_one();
    for (int i = 1; i < kHandlersPerTick && io.poll_one() > 0; ++i) {
    }
  }
}

std::size_t HttpCompletionClient::open_connections() const {
  const auto& calls = state_->calls;
  return static_cast<std::size_t>(
      std::count_if(calls.begin(), calls.end(), [](const auto& call) { return call && call->connection->is_open(); }));
}

}  // namespace troupe
