#include "net/http/deadline.hpp"

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <utility>

namespace troupe {
namespace {
using Time = std::chrono::steady_clock::time_point;
constexpr Time kNone = Time::max();
}  // namespace

struct Deadline::State {
  explicit State(const boost::asio::any_io_executor& executor) : timer(executor) {}

  boost::asio::steady_timer timer;
  Time at = kNone;
  bool is_running = false;
  std::uint64_t turn = 0;  // of the wait that counts; earlier ones are void
  std::function<void()> passed;
};

Deadline::Deadline(const boost::asio::any_io_executor& executor) : state_(std::make_shared<State>(executor)) {}

Deadline::~Deadline() { stop(); }

void Deadline::on_passed(std::function<void()> passed) { state_->passed = std::move(passed); }

void Deadline::set(std::chrono::milliseconds from_now) {
  state_->at = std::chrono::steady_clock::now() + from_now;
  if (!state_->is_running || state_->timer.expiry() > state_->at) start(state_);
}

void Deadline::clear() { state_->at = kNone; }

void Deadline::stop() {
  ++state_->turn;
  state_->at = kNone;
  state_->passed = nullptr;
  state_->timer.cancel();
}

void Deadline::start(const std::shared_ptr<State>& state) {
  state->is_running = true;
  state->timer.expires_at(state->at);
  state->timer.async_wait([state, turn = ++state->turn](const boost::system::error_code&) {
    if (turn != state->turn) return;
    state->is_running = false;
    if (state->at == kNone) return;
    if (std::chrono::steady_clock::now() < state->at) return start(state);
    state->at = kNone;
    auto passed = state->passed;  // it may stop us
    passed();
  });
}

}  // namespace troupe
