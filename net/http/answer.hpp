#pragma once
// An HTTP answer, or the head of one whose body follows in pieces.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/result.hpp"

namespace troupe {

struct Answer {
  enum class Body : std::uint8_t {
    kWhole,    // `body`, with a Content-Length
    kOmitted,  // HEAD: Content-Length of `body`, without it
    kChunked,  // follows in chunks
    kToClose,  // follows until the connection closes: HTTP/1.0
  };
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  Body kind = Body::kWhole;
  bool close = false;              // the connection is of no use after it
  std::optional<ErrorCode> error;  // what it reports: for the metrics
};

// {"error": ...} with the status of its code, and Retry-After when it says when.
Answer error_answer(const Error& error);
Answer error_answer(const Error& error, int status);

// The bytes of an answer, Date and Connection included; without the body for kChunked and kToClose.
std::string serialize(const Answer& answer, unsigned version, bool keep_alive);

void append_chunk(std::string& out, std::string_view data);  // one chunk of a chunked body; nothing for no data
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace troupe
