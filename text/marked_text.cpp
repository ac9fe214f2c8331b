#include "text/marked_text.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

MarkedText MarkedText::of_message(std::string text) {
  MarkedText made(std::move(text));
  made.mark(0, made.bytes_.size());
  return made;
}

void MarkedText::append(std::string_view text, bool marked) {
  std::size_t begin = bytes_.size();
  bytes_ += text;
  if (marked) mark(begin, bytes_.size());
}

void MarkedText::append_part(const MarkedText& source, std::string_view part) {
  if (part.empty()) return;
  auto from = static_cast<std::size_t>(part.data() - source.bytes_.data());
  std::size_t to = from + part.size();
  std::size_t here = bytes_.size();
  bytes_ += part;
  auto ends_behind = [](const ByteRange& range, std::size_t at) { return range.end <= at; };
  auto range = std::lower_bound(source.marks_.begin(), source.marks_.end(), from, ends_behind);
  for (; range != source.marks_.end() && range->begin < to; ++range) {
    mark(here + std::max(range->begin, from) - from, here + std::min(range->end, to) - from);
  }
}

MarkedText MarkedText::part(std::string_view view) const {
  MarkedText made;
  made.append_part(*this, view);
  return made;
}

void MarkedText::mark(std::size_t begin, std::size_t end) {
  if (begin == end) return;
  if (!marks_.empty() && marks_.back().end == begin) {
    marks_.back().end = end;
  } else {
    marks_.push_back({begin, end});
  }
}

}  // namespace troupe
