#include "text/chat_template/methods.hpp"

#include <algorithm>
#include <string>

#include "text/character_class.hpp"
#include "text/chat_template/arguments.hpp"
#include "text/chat_template/operators.hpp"
#include "text/chat_template/text_work.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {

using Value = TemplateValue;
using Kind = TemplateValue::Kind;
using Arguments = TemplateArguments;

template <TrimSides Sides>
Value strip(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "strip", arguments, {"chars"});
  if (given[0] != nullptr && given[0]->is_text() && given[0]->as_text().empty()) return self;
  return state.part(self, trimmed(self.as_text(), given.text(0, ""), Sides));
}

template <MarkedText (*Change)(const MarkedText&)>
Value change_case(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "a method", arguments, {});
  return state.text(Change(self.as_marked()));
}
MarkedText method_title(const MarkedText& text) { return title_case(text, true); }

template <bool AtStart>
Value starts_or_ends(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, AtStart ? "startswith" : "endswith", arguments, {"affix"}, 1);
  if (state.failed()) return {};
  const std::string& text = self.as_text();
  auto matches = [&](const Value& affix) {
    if (!affix.is_text()) {
      state.fail("startswith and endswith need a string or a tuple of strings");
      return false;
    }
    return AtStart ? text.starts_with(affix.as_text()) : text.ends_with(affix.as_text());
  };
  if (!given[0]->is(Kind::kTuple)) return Value::boolean(matches(*given[0]));
  return Value::boolean(std::any_of(given[0]->items().begin(), given[0]->items().end(), matches));
}

// Without a separator: at runs of white space, none at the ends.
std::vector<std::string_view> split_at_spaces(std::string_view text, std::int64_t splits_max, bool from_right) {
  std::vector<std::string_view> parts;
  auto is_space_at = [&](std::size_t at) { return is_python_space(code_point_at(text, at).value); };
  while (true) {
    text = trimmed(text, "", from_right ? TrimSides::kRight : TrimSides::kLeft);
    if (text.empty()) break;
    if (splits_max >= 0 && static_cast<std::int64_t>(parts.size()) == splits_max) {
      parts.push_back(text);  // the spaces at its far end stay
      break;
    }
    if (from_right) {
      std::size_t begin = text.size();
      while (begin > 0 && !is_space_at(character_before(text, begin))) begin = character_before(text, begin);
      parts.push_back(text.substr(begin));
      text = text.substr(0, begin);
    } else {
      std::size_t end = 0;
      while (end < text.size() && !is_space_at(end)) end += code_point_at(text, end).bytes;
      parts.push_back(text.substr(0, end));
      text = text.substr(end);
    }
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, std::int64_t splits_max,
                                       bool from_right) {
  std::vector<std::string_view> parts;
  while (splits_max < 0 || static_cast<std::int64_t>(parts.size()) < splits_max) {
    std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == std::string_view::npos) break;
    parts.push_back(from_right ? text.substr(at + separator.size()) : text.substr(0, at));
    text = from_right ? text.substr(0, at) : text.substr(at + separator.size());
  }
  parts.push_back(text);
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

Value texts(RenderState& state, const Value& self, const std::vector<std::string_view>& parts) {
  std::vector<Value> items;
  for (std::string_view part : parts) {
    if (state.failed()) return {};
    items.push_back(state.part(self, part));
  }
  return state.list(std::move(items));
}

template <bool FromRight>
Value split(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "split", arguments, {"sep", "maxsplit"});
  bool at_spaces = given[0] == nullptr || given[0]->is(Kind::kNone);
  std::string_view separator = given.text(0, "");
  std::int64_t splits_max = given.integer(1, -1);
  if (!at_spaces && separator.empty()) return state.fail("empty separator");
  if (!state.search(self.as_text().size(), separator.size())) return {};
  return texts(state, self,
               at_spaces ? split_at_spaces(self.as_text(), splits_max, FromRight)
                         : split_at(self.as_text(), separator, splits_max, FromRight));
}

Value splitlines(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "splitlines", arguments, {"keepends"});
  if (!state.search(self.as_text().size())) return {};
  return texts(state, self, split_lines(self.as_text(), given.truth(0, false)));
}

Value replace_method(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "replace", arguments, {"old", "new", "count"}, 2);
  std::string_view from = given.text(0, "");
  given.text(1, "");  // fails for what is no text
  const MarkedText nothing;
  const MarkedText& to = given[1] != nullptr && given[1]->is_text() ? given[1]->as_marked() : nothing;
  return replaced(state, self.as_marked(), from, to, given.integer(2, -1));
}

Value join_method(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "join", arguments, {"iterable"}, 1);
  if (state.failed()) return {};
  std::vector<Value> items = iterate(state, *given[0]);
  for (const Value& item : items) {
    if (!item.is_text()) return state.fail("'join' needs strings, not " + std::string(item.type_name()));
  }
  return joined(state, self.as_marked(), items);
}

template <bool AtStart>
Value remove_affix(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, AtStart ? "removeprefix" : "removesuffix", arguments, {"affix"}, 1);
  std::string_view text = self.as_text();
  std::string_view affix = given.text(0, "");
  if (AtStart ? !text.starts_with(affix) : !text.ends_with(affix)) return self;
  return state.part(self, text.substr(AtStart ? affix.size() : 0, text.size() - affix.size()));
}

template <bool FromRight>
Value find(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "find", arguments, {"sub"}, 1);
  std::string_view text = self.as_text();
  std::string_view sub = given.text(0, "");
  if (!state.search(text.size(), sub.size())) return {};
  std::size_t at = FromRight ? text.rfind(sub) : text.find(sub);
  if (at == std::string_view::npos) return Value::integer(-1);
  return Value::integer(static_cast<std::int64_t>(count_code_points(text.substr(0, at))));
}

Value index_method(RenderState& state, const Value& self, const Arguments& arguments) {
  Value found = find<false>(state, self, arguments);
  return !state.failed() && found.as_int() < 0 ? state.fail("substring not found") : found;
}

Value count_method(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "count", arguments, {"sub"}, 1);
  std::string_view text = self.as_text();
  std::string_view sub = given.text(0, "");
  if (!state.search(text.size(), sub.size())) return {};
  if (sub.empty()) return Value::integer(static_cast<std::int64_t>(count_code_points(text)) + 1);
  std::int64_t count = 0;
  for (std::size_t at = text.find(sub); at != std::string_view::npos; at = text.find(sub, at + sub.size())) ++count;
  return Value::integer(count);
}

template <CharacterClass First, CharacterClass Second>
Value all_of(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "a method", arguments, {});
  const std::string& text = self.as_text();
  bool all = !text.empty() && state.search(text.size());
  for (std::size_t at = 0; all && at < text.size(); at += code_point_at(text, at).bytes) {
    CharacterClass kind = class_of(code_point_at(text, at).value);
    all = kind == First || kind == Second;
  }
  return Value::boolean(all);
}

Value get(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "get", arguments, {"key", "default"}, 1);
  if (state.failed()) return {};
  if (const Value* found = find_key(state, self, *given[0])) return *found;
  return given[1] != nullptr ? *given[1] : Value::none();
}

enum class DictPart { kKeys, kValues, kItems };
template <DictPart Part>
Value dict_part(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "a method", arguments, {});
  std::vector<Value> parts;
  for (const auto& [key, value] : self.entries()) {
    if (state.failed()) return {};
    parts.push_back(Part == DictPart::kKeys     ? key
                    : Part == DictPart::kValues ? value
                                                : state.list({key, value}, Kind::kTuple));
  }
  return state.list(std::move(parts));
}

Value copy(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "copy", arguments, {});
  return self;
}

Value index_of_item(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "index", arguments, {"value"}, 1);
  if (state.failed()) return {};
  for (std::size_t i = 0; i < self.items().size(); ++i) {
    if (equal(state, self.items()[i], *given[0])) return Value::integer(static_cast<std::int64_t>(i));
  }
  return state.fail("the value is not in the list");
}

Value count_of_item(RenderState& state, const Value& self, const Arguments& arguments) {
  BoundArguments given(state, "count", arguments, {"value"}, 1);
  if (state.failed()) return {};
  std::int64_t count = 0;
  for (const Value& item : self.items()) count += equal(state, item, *given[0]);
  return Value::integer(count);
}

Value changes_nothing(RenderState& state, const Value& self, const Arguments&) {
  return state.fail("a " + std::string(self.type_name()) + " cannot be changed in a template");
}

struct NamedMethod {
  std::string_view name;
  TemplateFilter method;
};

constexpr NamedMethod kTextMethods[] = {
    {"capitalize", change_case<capitalized>},
    {"count", count_method},
    {"endswith", starts_or_ends<false>},
    {"find", find<false>},
    {"format", brace_format},
    {"index", index_method},
    {"isalnum", all_of<CharacterClass::kLetter, CharacterClass::kNumber>},
    {"isalpha", all_of<CharacterClass::kLetter, CharacterClass::kLetter>},
    {"isdigit", all_of<CharacterClass::kNumber, CharacterClass::kNumber>},
    {"isspace", all_of<CharacterClass::kSpace, CharacterClass::kSpace>},
    {"join", join_method},
    {"lower", change_case<lower_case>},
    {"lstrip", strip<TrimSides::kLeft>},
    {"removeprefix", remove_affix<true>},
    {"removesuffix", remove_affix<false>},
    {"replace", replace_method},
    {"rfind", find<true>},
    {"rsplit", split<true>},
    {"rstrip", strip<TrimSides::kRight>},
    {"split", split<false>},
    {"splitlines", splitlines},
    {"startswith", starts_or_ends<true>},
    {"strip", strip<TrimSides::kBoth>},
    {"title", change_case<method_title>},
    {"upper", change_case<upper_case>},
};

constexpr NamedMethod kDictMethods[] = {
    {"clear", changes_nothing},
    {"copy", copy},
    {"get", get},
    {"items", dict_part<DictPart::kItems>},
    {"keys", dict_part<DictPart::kKeys>},
    {"pop", changes_nothing},
    {"popitem", changes_nothing},
    {"setdefault", changes_nothing},
    {"update", changes_nothing},
    {"values", dict_part<DictPart::kValues>},
};

constexpr NamedMethod kListMethods[] = {
    {"append", changes_nothing},  {"clear", changes_nothing},  {"copy", copy},
    {"count", count_of_item},     {"extend", changes_nothing}, {"index", index_of_item},
    {"insert", changes_nothing},  {"pop", changes_nothing},    {"remove", changes_nothing},
    {"reverse", changes_nothing}, {"sort", changes_nothing},
};

constexpr NamedMethod kTupleMethods[] = {{"count", count_of_item}, {"index", index_of_item}};

template <std::size_t N>
TemplateFilter find_in(const NamedMethod (&table)[N], std::string_view name) {
  for (const NamedMethod& named : table) {
    if (named.name == name) return named.method;
  }
  return nullptr;
}

}  // namespace

TemplateFilter find_method(TemplateValue::Kind kind, std::string_view name) {
  if (kind == Kind::kText) return find_in(kTextMethods, name);
  if (kind == Kind::kDict) return find_in(kDictMethods, name);
  if (kind == Kind::kList) return find_in(kListMethods, name);
  return kind == Kind::kTuple ? find_in(kTupleMethods, name) : nullptr;
}

}  // namespace troupe
