#pragma once
// A text that knows which of its bytes came from the messages of a conversation. Those never become a control token,
// whatever a chat template puts around them; whoever copies a part of such a text copies its marks.
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;  // > begin
};

class MarkedText {
 public:
  MarkedText() = default;
  explicit MarkedText(std::string unmarked) : bytes_(std::move(unmarked)) {}
  static MarkedText of_message(std::string text);  // marked from end to end

  const std::string& bytes() const { return bytes_; }
  const std::vector<ByteRange>& marks() const { return marks_; }  // ascending, with a gap between any two
  bool has_marks() const { return !marks_.empty(); }
  std::size_t cost_bytes() const { return bytes_.size() + marks_.size() * sizeof(ByteRange); }

  void append(std::string_view text, bool marked = false);
  void append(const MarkedText& text) { append_part(text, text.bytes_); }
  void append_part(const MarkedText& source, std::string_view part);  // part: a view into source's bytes
  MarkedText part(std::string_view view) const;                       // a view into bytes()

  // Calls each(run, marked) with the stretches that are marked or not, in order; together they are the text.
  template <class Each>
  void for_each_run(Each&& each) const {
    std::string_view text = bytes_;
    std::size_t at = 0;
    for (const ByteRange& mark : marks_) {
      if (mark.begin > at) each(text.substr(at, mark.begin - at), false);
      each(text.substr(mark.begin, mark.end - mark.begin), true);
      at = mark.end;
    }
    if (at < text.size()) each(text.substr(at), false);
  }

 private:
  void mark(std::size_t begin, std::size_t end);  // not before the last mark

  std::string bytes_;
  std::vector<ByteRange> marks_;
};

}  // namespace troupe
