// The writing half of a connection: answers and streams go out, and a reader that takes nothing is noticed.
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "net/http/http_session.hpp"

namespace troupe {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kKeptBytes = 64U << 10;  // of memory an idle connection may keep for its answers

}  // namespace

void HttpSession::wake() {
  if (is_woken_.exchange(true)) return;
  asio::post(executor_, [self = shared_from_this()] {
    self->is_woken_.store(false);
    self->advance();
  });
}

void HttpSession::advance() {
  if (state_ != State::kAnswering || is_writing_ || exchange_ == nullptr) return;
  if (!is_streaming_) {
    Exchange::State state = exchange_->poll();
    if (state == Exchange::State::kWaiting) return;
    bool is_stream = state == Exchange::State::kEvents;
    Answer answer = exchange_->take_answer();
    if (!is_stream) return send(std::move(answer));
    is_streaming_ = true;
    is_chunked_ = answer.kind == Answer::Body::kChunked;
    keep_alive_ = exchange_->head().keep_alive && !answer.close && !context_.is_draining.load();
    out_ = serialize(answer, exchange_->head().version, keep_alive_);
  }
  events_.clear();
  is_last_ = exchange_->append_events(events_);
  if (is_chunked_)
    append_chunk(out_, events_);
  else
    out_ += events_;
  if (is_last_ && is_chunked_) out_ += kLastChunk;
  if (out_.empty() && !is_last_) return deadline_.set(live_->tuning.limits.sse_keep_alive);
  write();
}

void HttpSession::send(Answer answer) {
  bool may_stay = exchange_ != nullptr && exchange_->head().keep_alive;
  keep_alive_ = may_stay && !answer.close && !context_.is_draining.load();
  out_ = serialize(answer, exchange_ == nullptr ? 11 : exchange_->head().version, keep_alive_);
  is_last_ = true;
  write();
}

void HttpSession::write() {
  progressed_ = context_.clock();
  if (!is_writing_) reader_.begin(progressed_);
  is_writing_ = true;
  set_write_deadline();
  socket_.async_write_some(
      asio::buffer(out_.data() + written_, out_.size() - written_),
      [self = shared_from_this()](const Failure& failed, std::size_t bytes) { self->on_written(failed, bytes); });
}

void HttpSession::on_written(const Failure& failed, std::size_t bytes) {
  if (state_ == State::kClosed) return;
  if (failed) return close(CancelReason::kClientGone);
  written_ += bytes;
  if (written_ < out_.size()) {
    if (is_cut_off()) return close(CancelReason::kWriteStall);
    return write();
  }
  is_writing_ = false;
  written_ = 0;
  out_.clear();
  if (is_last_) return finish_exchange();
  deadline_.clear();
  advance();
}

void HttpSession::finish_exchange() {
  exchange_.reset();
  is_streaming_ = false;
  is_last_ = false;
  if (out_.capacity() > kKeptBytes) std::string().swap(out_);
  if (events_.capacity() > kKeptBytes) std::string().swap(events_);
  keep_alive_ ? wait_for_request() : linger();
}

bool HttpSession::is_cut_off() {
  return reader_.is_cut_off(context_.clock(), taken_by_reader(socket_.native_handle(), written_));
}

void HttpSession::set_write_deadline() {
  auto stalled_at = progressed_ + live_->tuning.limits.write_stall;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(stalled_at - context_.clock());
  deadline_.set(context_.options.memory ? std::min(left, SlowReader::kLook) : left);
}

void HttpSession::look_at_write() {
  bool is_stalled = context_.clock() - progressed_ >= live_->tuning.limits.write_stall;
  if (is_stalled || is_cut_off()) return close(CancelReason::kWriteStall);
  set_write_deadline();
}

}  // namespace troupe
