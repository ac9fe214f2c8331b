#pragma once
// Arithmetic, comparison and subscripts, with Python's meaning.
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/chat_template/render_state.hpp"
#include "text/chat_template/template_value.hpp"

namespace troupe {

// + - * / // % **. Integers have 64 bits; going beyond them is an error.
TemplateValue arithmetic(RenderState& state, std::string_view op, const TemplateValue& left,
                         const TemplateValue& right);
TemplateValue negate(RenderState& state, const TemplateValue& value);

bool equal(RenderState& state, const TemplateValue& left, const TemplateValue& right);
bool less(RenderState& state, const TemplateValue& left, const TemplateValue& right);  // fails for what has no order
bool contains(RenderState& state, const TemplateValue& container, const TemplateValue& item);
bool compare(RenderState& state, std::string_view op, const TemplateValue& left, const TemplateValue& right);

// value.name: a method's name before a key of the same name. value[key]: the key before the method.
TemplateValue attribute_of(RenderState& state, const TemplateValue& value, std::string_view name);
TemplateValue item_of(RenderState& state, const TemplateValue& value, const TemplateValue& key);
const TemplateValue* find_key(RenderState& state, const TemplateValue& dict, const TemplateValue& key);

// value[begin:end:step]; nullptr or none: not given.
TemplateValue slice(RenderState& state, const TemplateValue& value, const TemplateValue* begin,
                    const TemplateValue* end, const TemplateValue* step);

// What a loop goes over: items, keys, the characters of a text; nothing for undefined. Fails for the rest.
std::vector<TemplateValue> iterate(RenderState& state, const TemplateValue& value);

// Whether Python would take it as a key: neither a list nor a dict, nor a tuple with one in it.
bool is_hashable(const TemplateValue& value);

// Adds or replaces.
void set_key(RenderState& state, std::vector<TemplateEntry>& entries, const TemplateValue& key, TemplateValue value);

// len(value); fails for what has none. Characters of a text.
std::int64_t length_of(RenderState& state, const TemplateValue& value);

// Python's % on a text. Values that the format does not use are an error when `use_all` is set.
TemplateValue printf_format(RenderState& state, const MarkedText& format, const std::vector<TemplateValue>& values,
                            bool use_all);

// '{} {name}'.format(...): names and numbers in braces, with !s or !r; widths and the like are not supported.
TemplateValue brace_format(RenderState& state, const TemplateValue& format, const TemplateArguments& arguments);

}  // namespace troupe
