#include "text/chat_template/template_value.hpp"

#include <algorithm>

namespace troupe {

namespace {
const std::string kUnnamedUndefined = "a value is undefined";
}

TemplateValue TemplateValue::undefined(std::string why) {
  TemplateValue v;
  v.data_ = std::make_shared<const MarkedText>(std::move(why));
  return v;
}

TemplateValue TemplateValue::none() {
  TemplateValue v;
  v.kind_ = Kind::kNone;
  return v;
}

TemplateValue TemplateValue::boolean(bool value) {
  TemplateValue v;
  v.kind_ = Kind::kBool, v.data_ = std::int64_t{value};
  return v;
}

TemplateValue TemplateValue::integer(std::int64_t value) {
  TemplateValue v;
  v.kind_ = Kind::kInt, v.data_ = value;
  return v;
}

TemplateValue TemplateValue::real(double value) {
  TemplateValue v;
  v.kind_ = Kind::kFloat, v.data_ = value;
  return v;
}

TemplateValue TemplateValue::text(std::string value) { return text(MarkedText(std::move(value))); }

TemplateValue TemplateValue::text(MarkedText value) {
  TemplateValue v;
  v.kind_ = Kind::kText, v.data_ = std::make_shared<const MarkedText>(std::move(value));
  return v;
}

TemplateValue TemplateValue::function(std::string name) {
  TemplateValue v;
  v.kind_ = Kind::kFunction, v.data_ = std::make_shared<const MarkedText>(std::move(name));
  return v;
}

TemplateValue TemplateValue::list(std::vector<TemplateValue> items, Kind kind) {
  auto list = std::make_shared<TemplateList>();
  for (const TemplateValue& item : items) list->depth = std::max(list->depth, item.depth() + 1);
  list->items = std::move(items);
  TemplateValue v;
  v.kind_ = kind, v.data_ = ListPointer(std::move(list));
  return v;
}

TemplateValue TemplateValue::dict(std::vector<TemplateEntry> entries) {
  auto dict = std::make_shared<TemplateDict>();
  for (const auto& [key, value] : entries) dict->depth = std::max({dict->depth, key.depth() + 1, value.depth() + 1});
  dict->entries = std::move(entries);
  TemplateValue v;
  v.kind_ = Kind::kDict, v.data_ = DictPointer(std::move(dict));
  return v;
}

TemplateValue TemplateValue::name_space(TemplateNamespace* value) {
  TemplateValue v;
  v.kind_ = Kind::kNamespace, v.data_ = value;
  return v;
}

TemplateValue TemplateValue::loop(std::shared_ptr<const TemplateLoop> value) {
  TemplateValue v;
  v.kind_ = Kind::kLoop, v.data_ = std::move(value);
  return v;
}

TemplateValue TemplateValue::macro(std::shared_ptr<const TemplateMacro> value) {
  TemplateValue v;
  v.kind_ = Kind::kMacro, v.data_ = std::move(value);
  return v;
}

bool TemplateValue::truthy() const {
  switch (kind_) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return as_int() != 0;
    case Kind::kFloat:
      return as_double() != 0;
    case Kind::kText:
      return !as_text().empty();
    case Kind::kList:
    case Kind::kTuple:
      return !items().empty();
    case Kind::kDict:
      return !entries().empty();
    case Kind::kNamespace:
    case Kind::kLoop:
    case Kind::kMacro:
    case Kind::kFunction:
      return true;
  }
  return false;
}

double TemplateValue::as_double() const {
  return kind_ == Kind::kFloat ? std::get<double>(data_) : static_cast<double>(as_int());
}

const std::string& TemplateValue::why_undefined() const {
  const auto* why = std::get_if<TextPointer>(&data_);
  return why != nullptr ? (*why)->bytes() : kUnnamedUndefined;
}

std::uint32_t TemplateValue::depth() const {
  if (is_sequence()) return std::get<ListPointer>(data_)->depth;
  if (kind_ == Kind::kDict) return std::get<DictPointer>(data_)->depth;
  if (kind_ == Kind::kLoop) return as_loop().items.depth() + 1;
  return 0;
}

std::string_view TemplateValue::type_name() const {
  switch (kind_) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kText:
      return "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kMacro:
      return "Macro";
    case Kind::kFunction:
      return "function";
  }
  return "";
}

const TemplateValue* TemplateNamespace::find(std::string_view name) const {
  for (const auto& [key, value] : attributes) {
    if (key == name) return &value;
  }
  return nullptr;
}

void TemplateNamespace::set(std::string_view name, TemplateValue value) {
  for (auto& [key, old] : attributes) {
    if (key != name) continue;
    old = std::move(value);
    return;
  }
  attributes.emplace_back(name, std::move(value));
}

}  // namespace troupe
