// Filters that hardly any template has: batch, truncate, urlencode, wordcount.
#include <algorithm>
#include <string>

#include "text/character_class.hpp"
#include "text/chat_template/arguments.hpp"
#include "text/chat_template/filters.hpp"
#include "text/chat_template/operators.hpp"
#include "text/chat_template/template_limits.hpp"
#include "text/chat_template/value_text.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {

using Value = TemplateValue;
using Arguments = TemplateArguments;

Value batch_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "batch", arguments, {"linecount", "fill_with"}, 1);
  std::int64_t size = given.integer(0, 0);
  std::vector<Value> items = iterate(state, input);
  if (state.failed()) return {};
  if (size < 1 || size > kRangeMax) return state.fail("'batch' needs a size from 1 to 100000");
  std::vector<Value> batches;
  for (std::size_t at = 0; at < items.size() && !state.failed(); at += static_cast<std::size_t>(size)) {
    std::size_t end = std::min(items.size(), at + static_cast<std::size_t>(size));
    std::vector<Value> batch(items.begin() + static_cast<std::ptrdiff_t>(at),
                             items.begin() + static_cast<std::ptrdiff_t>(end));
    bool fills = given[1] != nullptr && !given[1]->is(Value::Kind::kNone);
    if (fills && !state.allocate(static_cast<std::size_t>(size) * sizeof(Value))) return {};
    if (fills) batch.resize(static_cast<std::size_t>(size), *given[1]);
    batches.push_back(state.list(std::move(batch)));
  }
  return state.list(std::move(batches));
}

// Texts not much longer than `length` stay whole; others end in `end`, and before a word unless killwords says so.
Value truncate_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "truncate", arguments, {"length", "killwords", "end", "leeway"});
  std::int64_t length = given.integer(0, 255);
  const MarkedText end = given[2] != nullptr && given[2]->is_text() ? given[2]->as_marked() : MarkedText("...");
  given.text(2, "");  // fails for what is no text
  std::int64_t leeway = given.integer(3, 5);
  auto end_length = static_cast<std::int64_t>(count_code_points(end.bytes()));
  if (state.failed()) return {};
  if (length < end_length || leeway < 0) return state.fail("'truncate' cannot make so short a text");
  std::int64_t have = length_of(state, input);
  if (have - leeway <= length) return input;
  if (!input.is_text()) return state.fail("'truncate' needs a string, not " + std::string(input.type_name()));
  std::string_view text = input.as_text();
  std::size_t cut = 0;
  for (std::int64_t i = 0; i < length - end_length; ++i) cut += code_point_at(text, cut).bytes;
  std::string_view kept = text.substr(0, cut);
  std::size_t space = kept.rfind(' ');
  if (!given.truth(1, false) && space != std::string_view::npos) kept = kept.substr(0, space);
  MarkedText out = input.as_marked().part(kept);
  out.append(end);
  return state.text(std::move(out));
}

bool is_word_part(char32_t c) {
  CharacterClass kind = class_of(c);
  return kind == CharacterClass::kLetter || kind == CharacterClass::kNumber || c == '_';
}

Value wordcount_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "wordcount", arguments, {});
  MarkedText text = text_of(state, input);
  std::string_view bytes = text.bytes();
  if (!state.search(bytes.size())) return {};
  std::int64_t words = 0;
  bool within = false;
  for (std::size_t at = 0; at < bytes.size();) {
    CodePoint c = code_point_at(bytes, at);
    bool part = is_word_part(c.value);
    words += part && !within;
    within = part;
    at += c.bytes;
  }
  return Value::integer(words);
}

Value urlencode_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "urlencode", arguments, {});
  if (input.is_sequence() || input.is(Value::Kind::kDict)) return state.fail("'urlencode' of a list is not supported");
  constexpr std::string_view kSafe = "_.-~/";
  constexpr char kDigits[] = "0123456789ABCDEF";
  MarkedText text = text_of(state, input);
  if (!state.allocate(3 * text.cost_bytes())) return {};
  MarkedText out;
  text.for_each_run([&](std::string_view run, bool marked) {
    std::string encoded;
    for (char c : run) {
      auto byte = static_cast<unsigned char>(c);
      bool stays = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   kSafe.find(c) != std::string_view::npos;
      if (stays) {
        encoded.push_back(c);
      } else {
        encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
      }
    }
    out.append(encoded, marked);
  });
  return state.text(std::move(out));
}

struct NamedFilter {
  std::string_view name;
  TemplateFilter filter;
};
constexpr NamedFilter kFilters[] = {{"batch", batch_filter},
                                    {"truncate", truncate_filter},
                                    {"urlencode", urlencode_filter},
                                    {"wordcount", wordcount_filter}};

}  // namespace

TemplateFilter find_rare_filter(std::string_view name) {
  for (const NamedFilter& named : kFilters) {
    if (named.name == name) return named.filter;
  }
  return nullptr;
}

}  // namespace troupe
