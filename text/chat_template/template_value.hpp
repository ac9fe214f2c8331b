#pragma once
// A value of the template language: what Python's would be, immutable (the sandbox Hugging Face renders in has no
// append or update either). Only a namespace's attributes can be set. Values made while rendering die with it.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "text/marked_text.hpp"

namespace troupe {

class TemplateValue;
struct MacroStatement;
struct TemplateScope;
struct TemplateStatement;

struct TemplateList {
  std::vector<TemplateValue> items;
  std::uint32_t depth = 1;  // 1 + the deepest item's
};
struct TemplateDict {  // in order of insertion, keys distinct
  std::vector<std::pair<TemplateValue, TemplateValue>> entries;
  std::uint32_t depth = 1;
};
struct TemplateNamespace;  // owned by the RenderState, so that two of them can refer to each other
struct TemplateLoop;
struct TemplateMacro {
  const MacroStatement* definition = nullptr;  // outlives the rendering
  std::weak_ptr<TemplateScope> scope;          // where it was defined; expires when that block ends
};

class TemplateValue {
 public:
  enum class Kind : std::uint8_t {
    kUndefined,
    kNone,
    kBool,
    kInt,
    kFloat,
    kText,
    kList,
    kTuple,
    kDict,
    kNamespace,
    kLoop,
    kMacro,
    kFunction,  // a global function or a method without its object, by name
  };

  TemplateValue() = default;                        // undefined without a name
  static TemplateValue undefined(std::string why);  // why: "'x' is undefined"
  static TemplateValue none();
  static TemplateValue boolean(bool value);
  static TemplateValue integer(std::int64_t value);
  static TemplateValue real(double value);
  static TemplateValue text(std::string value);  // the template's own
  static TemplateValue text(MarkedText value);
  static TemplateValue function(std::string name);
  // These compute the depth; RenderState's versions also count what they cost and bound the depth.
  static TemplateValue list(std::vector<TemplateValue> items, Kind kind = Kind::kList);
  static TemplateValue dict(std::vector<std::pair<TemplateValue, TemplateValue>> entries);
  static TemplateValue name_space(TemplateNamespace* value);
  static TemplateValue loop(std::shared_ptr<const TemplateLoop> value);
  static TemplateValue macro(std::shared_ptr<const TemplateMacro> value);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_text() const { return kind_ == Kind::kText; }
  bool is_sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  bool is_integral() const { return kind_ == Kind::kBool || kind_ == Kind::kInt; }  // a bool is an int in Python
  bool is_number() const { return is_integral() || kind_ == Kind::kFloat; }
  bool truthy() const;

  // Each is valid for its kind only.
  bool as_bool() const { return std::get<std::int64_t>(data_) != 0; }
  std::int64_t as_int() const { return std::get<std::int64_t>(data_); }  // kInt, kBool
  double as_double() const;                                              // any number
  const MarkedText& as_marked() const { return *std::get<TextPointer>(data_); }
  const std::string& as_text() const { return as_marked().bytes(); }
  const std::string& why_undefined() const;
  const std::string& function_name() const { return as_text(); }
  const std::vector<TemplateValue>& items() const { return std::get<ListPointer>(data_)->items; }
  const std::vector<std::pair<TemplateValue, TemplateValue>>& entries() const {
    return std::get<DictPointer>(data_)->entries;
  }
  TemplateNamespace* as_namespace() const { return std::get<TemplateNamespace*>(data_); }
  const TemplateLoop& as_loop() const { return *std::get<LoopPointer>(data_); }
  const TemplateMacro& as_macro() const { return *std::get<MacroPointer>(data_); }

  std::uint32_t depth() const;         // 0 for scalars
  std::string_view type_name() const;  // Python's: "str", "int", ...

 private:
  using TextPointer = std::shared_ptr<const MarkedText>;
  using ListPointer = std::shared_ptr<const TemplateList>;
  using DictPointer = std::shared_ptr<const TemplateDict>;
  using LoopPointer = std::shared_ptr<const TemplateLoop>;
  using MacroPointer = std::shared_ptr<const TemplateMacro>;

  Kind kind_ = Kind::kUndefined;
  std::variant<std::monostate, std::int64_t, double, TextPointer, ListPointer, DictPointer, TemplateNamespace*,
               LoopPointer, MacroPointer>
      data_;
};

using TemplateEntry = std::pair<TemplateValue, TemplateValue>;

struct TemplateNamespace {
  std::vector<std::pair<std::string, TemplateValue>> attributes;

  const TemplateValue* find(std::string_view name) const;
  void set(std::string_view name, TemplateValue value);
};

// The `loop` variable of one iteration.
struct TemplateLoop {
  TemplateValue items;  // a list
  std::size_t index = 0;
  std::uint32_t recursion = 0;                   // how often it has been called within itself
  const TemplateStatement* statement = nullptr;  // of a recursive loop
  std::weak_ptr<TemplateScope> scope;            // where that stands; expires when that block ends
};

// What a call, a filter or a test is given.
struct TemplateArguments {
  std::vector<TemplateValue> positional;
  std::vector<std::pair<std::string, TemplateValue>> named;
};

}  // namespace troupe
