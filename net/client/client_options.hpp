#pragma once
// What every request of a client has in common, and the client's bounds.
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/client/client_url.hpp"

namespace troupe {

struct ClientOptions {
  ClientUrl url;
  bool is_chat = false;  // /v1/chat/completions in place of /v1/completions
  bool is_streamed = true;
  std::string model;  // empty: left out, and asked of /v1/models once when the server demands it
  std::string api_key;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<double> temperature;
  bool ignore_eos = false;                     // sent only when true: not every server knows it
  std::chrono::milliseconds timeout{600'000};  // of an attempt, from the connection on

  static constexpr std::size_t kHeadBytesMax = 64U << 10;
  static constexpr std::size_t kBodyBytesMax = 64U << 20;  // of an answer, streamed or whole
};

}  // namespace troupe
