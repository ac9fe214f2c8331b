#pragma once
// Server-sent events out of bytes, however they are cut (WHATWG HTML, section 9.2). Only `data` counts: names, ids and
// comments are passed over.
#include <functional>
#include <string>
#include <string_view>

namespace troupe {

class SseReader {
 public:
  static constexpr std::size_t kEventBytesMax = 1U << 20;  // of a line, and of the data of an event

  // Calls `on_data` for each event that is complete. False: a line or an event is beyond the bound, for good.
  bool feed(std::string_view bytes, const std::function<void(std::string_view data)>& on_data);

 private:
  bool end_line(const std::function<void(std::string_view data)>& on_data);

  std::string line_;
  std::string data_;
  bool has_data_ = false;
  bool after_return_ = false;  // a line feed that follows belongs to it
};

}  // namespace troupe
