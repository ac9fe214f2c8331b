#include "text/unicode/nfc.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "runtime/check.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {

constexpr auto kDecompose = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
constexpr auto kCompose = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
constexpr utf8proc_ssize_t kDecompositionMax = 16;  // code points one becomes; canonically at most 4

utf8proc_propval_t combining_class(utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; }

std::vector<utf8proc_int32_t> decomposed(std::string_view text) {
  std::vector<utf8proc_int32_t> out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    CodePoint c = code_point_at(text, at);
    at += c.bytes;
    utf8proc_int32_t parts[kDecompositionMax];
    int boundary_class = 0;  // of grapheme clusters, which nobody asked for
    utf8proc_ssize_t count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c.value), parts, kDecompositionMax,
                                                     kDecompose, &boundary_class);
    TROUPE_CHECK(count >= 0 && count <= kDecompositionMax, "a code point has a short canonical decomposition");
    out.insert(out.end(), parts, parts + count);
  }
  return out;
}

// Sorts every run of combining marks by their class; marks of one class keep their order.
void order_marks(std::vector<utf8proc_int32_t>& text) {
  for (auto begin = text.begin(); begin != text.end();) {
    if (combining_class(*begin) == 0) {
      ++begin;
      continue;
    }
    auto end = std::find_if(begin, text.end(), [](utf8proc_int32_t c) { return combining_class(c) == 0; });
    std::stable_sort(begin, end,
                     [](utf8proc_int32_t a, utf8proc_int32_t b) { return combining_class(a) < combining_class(b); });
    begin = end;
  }
}

}  // namespace

bool is_plainly_nfc(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0xCC; });
}

std::string to_nfc(std::string_view text) {
  if (is_plainly_nfc(text)) return std::string(text);
  std::vector<utf8proc_int32_t> characters = decomposed(text);
  order_marks(characters);
  auto size = static_cast<utf8proc_ssize_t>(characters.size());
  utf8proc_ssize_t composed = utf8proc_normalize_utf32(characters.data(), size, kCompose);
  TROUPE_CHECK(composed >= 0 && composed <= size, "composing makes text no longer");
  std::string out;
  out.reserve(text.size());
  for (utf8proc_ssize_t i = 0; i < composed; ++i) {
    append_utf8(out, static_cast<char32_t>(characters[static_cast<std::size_t>(i)]));
  }
  return out;
}

}  // namespace troupe
