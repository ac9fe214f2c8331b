#pragma once
// Where a text with marks for spaces may be cut without changing what it becomes. Nothing joins across a place between
// a character and a mark when no token has that character before a mark inside it; in the vocabularies that have marks
// that is nearly every beginning of a word. Words are quicker than a megabyte in one piece, and can be remembered.
#include <string_view>
#include <vector>

#include "text/tokenizer/space_marks.hpp"
#include "text/tokenizer/vocabulary.hpp"
#include "text/utf8.hpp"

namespace troupe {

class MarkBoundaries {
 public:
  explicit MarkBoundaries(const Vocabulary& vocabulary);

  // Calls each(word) with the parts of `text` (valid UTF-8), in order; together they are the text.
  template <class Each>
  void for_each_word(std::string_view text, Each&& each) const {
    std::size_t begin = 0;
    for (std::size_t at = text.find(kSpaceMark, 1); at != std::string_view::npos; at = text.find(kSpaceMark, at + 1)) {
      if (stands_before_marks_[code_point_at(text, character_before(text, at)).value]) continue;
      each(text.substr(begin, at - begin));
      begin = at;
    }
    each(text.substr(begin));
  }

 private:
  std::vector<bool> stands_before_marks_;  // by code point: in some token; the mark itself always does
};

}  // namespace troupe
