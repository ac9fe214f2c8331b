#pragma once
// Arguments put in the places of named parameters.
#include <array>
#include <initializer_list>
#include <string_view>

#include "text/chat_template/render_state.hpp"
#include "text/chat_template/template_value.hpp"

namespace troupe {

// Fails the rendering when there are too many arguments or one with an unknown name.
class BoundArguments {
 public:
  BoundArguments(RenderState& state, std::string_view callee, const TemplateArguments& arguments,
                 std::initializer_list<std::string_view> parameters, std::size_t required = 0);
  BoundArguments(RenderState&, std::string_view, TemplateArguments&&, std::initializer_list<std::string_view>,
                 std::size_t = 0) = delete;  // it refers to the arguments

  const TemplateValue* operator[](std::size_t i) const { return values_[i]; }  // nullptr: not given

  // The argument as its type; `otherwise` when it is not given or (texts, integers) none. Another type fails.
  std::string_view text(std::size_t i, std::string_view otherwise) const;
  std::int64_t integer(std::size_t i, std::int64_t otherwise) const;
  bool truth(std::size_t i, bool otherwise) const { return values_[i] != nullptr ? values_[i]->truthy() : otherwise; }

 private:
  static constexpr std::size_t kParametersMax = 6;
  RenderState& state_;
  std::string_view callee_;
  std::array<const TemplateValue*, kParametersMax> values_{};
};

}  // namespace troupe
