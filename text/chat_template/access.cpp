#include <algorithm>
#include <string>

#include "text/chat_template/methods.hpp"
#include "text/chat_template/operators.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {

using Kind = TemplateValue::Kind;

constexpr std::size_t kKeysPerStep = 16;
constexpr std::size_t kNameBytesShown = 64;

std::string shown(std::string_view name) { return std::string(name.substr(0, kNameBytesShown)); }

TemplateValue no_attribute(const TemplateValue& value, std::string_view name) {
  return TemplateValue::undefined("'" + std::string(value.type_name()) + " object' has no attribute '" + shown(name) +
                                  "'");
}

TemplateValue loop_attribute(const TemplateValue& value, std::string_view name) {
  const TemplateLoop& loop = value.as_loop();
  const std::vector<TemplateValue>& items = loop.items.items();
  auto number = [](std::size_t n) { return TemplateValue::integer(static_cast<std::int64_t>(n)); };
  if (name == "index") return number(loop.index + 1);
  if (name == "index0") return number(loop.index);
  if (name == "revindex") return number(items.size() - loop.index);
  if (name == "revindex0") return number(items.size() - loop.index - 1);
  if (name == "length") return number(items.size());
  if (name == "depth") return number(loop.recursion + 1);
  if (name == "depth0") return number(loop.recursion);
  if (name == "first") return TemplateValue::boolean(loop.index == 0);
  if (name == "last") return TemplateValue::boolean(loop.index + 1 == items.size());
  if (name == "previtem") {
    return loop.index > 0 ? items[loop.index - 1] : TemplateValue::undefined("there is no previous item");
  }
  if (name == "nextitem") {
    return loop.index + 1 < items.size() ? items[loop.index + 1] : TemplateValue::undefined("there is no next item");
  }
  return no_attribute(value, name);
}

// The byte offset of the character with this index; text.size() when there are not so many.
std::size_t offset_of_character(std::string_view text, std::int64_t index) {
  std::size_t at = 0;
  for (std::int64_t i = 0; i < index && at < text.size(); ++i) at += code_point_at(text, at).bytes;
  return at;
}

TemplateValue indexed(RenderState& state, const TemplateValue& value, std::int64_t index) {
  std::int64_t length = length_of(state, value);
  if (index < 0) index += length;
  if (index < 0 || index >= length) {
    return TemplateValue::undefined(std::string(value.type_name()) + " object has no element " + std::to_string(index));
  }
  if (!value.is_text()) return value.items()[static_cast<std::size_t>(index)];
  std::string_view text = value.as_text();
  std::size_t at = offset_of_character(text, index);
  return state.part(value, text.substr(at, code_point_at(text, at).bytes));
}

}  // namespace

const TemplateValue* find_key(RenderState& state, const TemplateValue& dict, const TemplateValue& key) {
  if (!state.step(1 + dict.entries().size() / kKeysPerStep)) return nullptr;
  for (const auto& [candidate, value] : dict.entries()) {
    bool same = candidate.is_text() && key.is_text() ? candidate.as_text() == key.as_text()
                                                     : candidate.kind() != Kind::kText && equal(state, candidate, key);
    if (same) return &value;
  }
  return nullptr;
}

bool is_hashable(const TemplateValue& value) {
  if (value.is(Kind::kTuple)) return std::all_of(value.items().begin(), value.items().end(), is_hashable);
  return !value.is(Kind::kList) && !value.is(Kind::kDict);
}

void set_key(RenderState& state, std::vector<TemplateEntry>& entries, const TemplateValue& key, TemplateValue value) {
  if (!is_hashable(key) || key.is_undefined()) {
    state.fail(key.is_undefined() ? key.why_undefined() : "unhashable type: '" + std::string(key.type_name()) + "'");
    return;
  }
  if (!state.step(1 + entries.size() / kKeysPerStep)) return;
  for (auto& [candidate, old] : entries) {
    bool same = candidate.is_text() && key.is_text() ? candidate.as_text() == key.as_text()
                                                     : candidate.kind() != Kind::kText && equal(state, candidate, key);
    if (!same) continue;
    old = std::move(value);
    return;
  }
  entries.emplace_back(key, std::move(value));
}

TemplateValue attribute_of(RenderState& state, const TemplateValue& value, std::string_view name) {
  if (value.is_undefined()) return state.fail_undefined(value);
  if (value.is(Kind::kLoop)) return loop_attribute(value, name);
  if (value.is(Kind::kNamespace)) {
    const TemplateValue* found = value.as_namespace()->find(name);
    return found != nullptr ? *found : no_attribute(value, name);
  }
  if (find_method(value.kind(), name) != nullptr) return TemplateValue::function(std::string(name));
  if (value.is(Kind::kDict)) {
    const TemplateValue* found = find_key(state, value, TemplateValue::text(std::string(name)));
    if (found != nullptr) return *found;
  }
  return no_attribute(value, name);
}

TemplateValue item_of(RenderState& state, const TemplateValue& value, const TemplateValue& key) {
  if (value.is_undefined()) return state.fail_undefined(value);
  if (value.is(Kind::kDict)) {
    if (const TemplateValue* found = find_key(state, value, key)) return *found;
  }
  if (key.is_integral() && (value.is_text() || value.is_sequence())) return indexed(state, value, key.as_int());
  if (key.is_text()) {
    if (!value.is(Kind::kDict)) return attribute_of(state, value, key.as_text());
    if (find_method(value.kind(), key.as_text()) != nullptr) return TemplateValue::function(key.as_text());
    return no_attribute(value, key.as_text());
  }
  return TemplateValue::undefined(std::string(value.type_name()) + " object has no such element");
}

TemplateValue slice(RenderState& state, const TemplateValue& value, const TemplateValue* begin,
                    const TemplateValue* end, const TemplateValue* step) {
  if (value.is_undefined()) return state.fail_undefined(value);
  if (!value.is_text() && !value.is_sequence()) {
    return state.fail("'" + std::string(value.type_name()) + "' object cannot be sliced");
  }
  auto bound = [&](const TemplateValue* given, std::int64_t otherwise) {
    if (given == nullptr || given->is(Kind::kNone)) return otherwise;
    if (given->is_integral()) return given->as_int();
    state.fail("slice indices must be integers");
    return otherwise;
  };
  std::int64_t stride = bound(step, 1);
  std::int64_t length = length_of(state, value);
  if (stride == 0) return state.fail("slice step cannot be zero");
  bool forward = stride > 0;
  if (stride < -length - 1) stride = -length - 1;  // no further than past the other end
  auto clamp = [&](std::int64_t index) {
    if (index < 0) index = index < -length ? -1 : index + length;
    return std::clamp<std::int64_t>(index, forward ? 0 : -1, forward ? length : length - 1);
  };
  auto from = [&](const TemplateValue* given, std::int64_t otherwise) {
    bool absent = given == nullptr || given->is(Kind::kNone);
    return absent ? otherwise : clamp(bound(given, 0));
  };
  std::int64_t first = from(begin, forward ? 0 : length - 1);
  std::int64_t last = from(end, forward ? length : -1);
  if (stride > length) stride = length + 1;
  if (state.failed()) return {};
  if (!value.is_text()) {
    std::vector<TemplateValue> items;
    for (std::int64_t i = first; forward ? i < last : i > last; i += stride) {
      items.push_back(value.items()[static_cast<std::size_t>(i)]);
    }
    return state.list(std::move(items), value.kind());
  }
  std::string_view text = value.as_text();
  if (stride == 1) {
    std::size_t at = offset_of_character(text, first);
    std::size_t stop = last > first ? at + offset_of_character(text.substr(at), last - first) : at;
    return state.part(value, text.substr(at, stop - at));
  }
  if (!state.allocate(text.size() * sizeof(std::size_t))) return {};
  std::vector<std::size_t> offsets;
  for (std::size_t at = 0; at < text.size(); at += code_point_at(text, at).bytes) offsets.push_back(at);
  MarkedText out;
  for (std::int64_t i = first; forward ? i < last : i > last; i += stride) {
    std::size_t at = offsets[static_cast<std::size_t>(i)];
    out.append_part(value.as_marked(), text.substr(at, code_point_at(text, at).bytes));
  }
  return state.text(std::move(out));
}

std::vector<TemplateValue> iterate(RenderState& state, const TemplateValue& value) {
  std::vector<TemplateValue> items;
  if (value.is_sequence()) {
    if (state.allocate(value.items().size() * sizeof(TemplateValue))) items = value.items();
  } else if (value.is(Kind::kDict)) {
    if (!state.allocate(value.entries().size() * sizeof(TemplateValue))) return items;
    for (const auto& [key, unused] : value.entries()) items.push_back(key);
  } else if (value.is_text()) {
    std::string_view text = value.as_text();
    for (std::size_t at = 0; at < text.size() && !state.failed();) {
      std::size_t bytes = code_point_at(text, at).bytes;
      items.push_back(state.part(value, text.substr(at, bytes)));
      at += bytes;
    }
  } else if (!value.is_undefined()) {
    state.fail("'" + std::string(value.type_name()) + "' object is not iterable");
  }
  return items;
}

std::int64_t length_of(RenderState& state, const TemplateValue& value) {
  if (value.is_text()) {
    state.search(value.as_text().size());
    return static_cast<std::int64_t>(count_code_points(value.as_text()));
  }
  if (value.is_sequence()) return static_cast<std::int64_t>(value.items().size());
  if (value.is(Kind::kDict)) return static_cast<std::int64_t>(value.entries().size());
  if (!value.is_undefined()) state.fail("object of type '" + std::string(value.type_name()) + "' has no len()");
  return 0;
}

}  // namespace troupe
