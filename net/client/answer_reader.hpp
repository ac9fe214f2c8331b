#pragma once
// What the bytes of an answer say: text, usage, errors, and whether it is complete. Knows streamed and whole answers of
// both endpoints, and what servers differ in: usage in a chunk of its own or in the last one, errors as an object or
// as text.
#include <cstdint>
#include <string>
#include <string_view>

#include "net/client/sse_reader.hpp"
#include "runtime/doors/completion_client.hpp"

namespace troupe {

class AnswerReader {
 public:
  static constexpr std::size_t kErrorTextMax = 64;  // bytes of an error's name that are kept

  // `is_streamed`: what the head said the body is (text/event-stream).
  AnswerReader(int status, bool is_streamed);

  // Returns how many events with text these bytes complete.
  std::uint32_t feed(std::string_view bytes);
  // The body is over (`is_whole`), or the connection broke. `retry_after` is the header field, or empty.
  ClientEnd finish(bool is_whole, std::string_view retry_after);

  // The refusal is about a `model` that was not given.
  bool demands_model() const { return demands_model_; }

 private:
  void read_event(std::string_view data);
  void read_object(std::string_view text, bool is_event);

  const int status_;
  const bool is_streamed_;
  SseReader sse_;
  std::string body_;  // of an answer that is not streamed
  ClientEnd end_;
  std::uint32_t texts_ = 0;
  bool is_complete_ = false;  // [DONE], or a finish_reason
  bool is_malformed_ = false;
  bool has_error_ = false;
  bool demands_model_ = false;
};

// Seconds, or the HTTP date form, which nobody sends here: nothing.
std::optional<double> parse_retry_after(std::string_view text);

// The first id of an answer of /v1/models; empty: there is none.
std::string first_model_id(std::string_view body);

}  // namespace troupe
