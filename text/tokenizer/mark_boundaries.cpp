#include "text/tokenizer/mark_boundaries.hpp"

namespace troupe {

// A mark that is no token is unknown, and unknown characters in a row become one token: nothing is cut then.
MarkBoundaries::MarkBoundaries(const Vocabulary& vocabulary)
    : stands_before_marks_(0x110000, !vocabulary.find(kSpaceMark).has_value()) {
  stands_before_marks_[code_point_at(kSpaceMark, 0).value] = true;
  for (TokenId id = 0; vocabulary.contains(id); ++id) {
    const std::string& token = vocabulary.text(id);
    if (vocabulary.is_hidden(id) || token.find(kSpaceMark, 1) == std::string::npos) continue;
    // A token that is not UTF-8 is never made of text that is.
    if (find_invalid_utf8(token)) continue;
    for (std::size_t at = token.find(kSpaceMark, 1); at != std::string::npos; at = token.find(kSpaceMark, at + 1)) {
      stands_before_marks_[code_point_at(token, character_before(token, at)).value] = true;
    }
  }
}

}  // namespace troupe
