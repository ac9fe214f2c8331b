#include "text/tokenizer/space_marks.hpp"

namespace troupe {

namespace {

bool wants_prefix(std::string_view stretch, std::optional<SpacePrefix> prefix, bool is_first) {
  if (!prefix) return false;
  bool is_there = stretch.starts_with(' ') || stretch.starts_with(kSpaceMark);
  switch (*prefix) {
    case SpacePrefix::kEveryStretch:
      return true;
    case SpacePrefix::kEveryStretchUnlessThere:
      return !is_there;
    case SpacePrefix::kTextUnlessThere:
      return is_first && !is_there;
  }
  return false;
}

}  // namespace

std::string with_space_marks(std::string_view stretch, std::optional<SpacePrefix> prefix, bool is_first) {
  std::string marked;
  marked.reserve(stretch.size() + stretch.size() / 2);
  if (wants_prefix(stretch, prefix, is_first)) marked += kSpaceMark;
  for (char c : stretch) c == ' ' ? marked.append(kSpaceMark) : marked.append(1, c);
  return marked;
}

std::string with_spaces_for_marks(std::string_view token) {
  std::string text;
  text.reserve(token.size());
  for (std::size_t at = 0; at < token.size();) {
    bool is_mark = token.substr(at).starts_with(kSpaceMark);
    text.push_back(is_mark ? ' ' : token[at]);
    at += is_mark ? kSpaceMark.size() : 1;
  }
  return text;
}

}  // namespace troupe
