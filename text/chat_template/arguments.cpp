#include "text/chat_template/arguments.hpp"

#include <algorithm>
#include <string>

#include "runtime/check.hpp"

namespace troupe {

BoundArguments::BoundArguments(RenderState& state, std::string_view callee, const TemplateArguments& arguments,
                               std::initializer_list<std::string_view> parameters, std::size_t required)
    : state_(state), callee_(callee) {
  TROUPE_CHECK(parameters.size() <= kParametersMax, "a filter or method has few parameters");
  if (arguments.positional.size() > parameters.size()) {
    state.fail("'" + std::string(callee) + "' takes at most " + std::to_string(parameters.size()) + " arguments");
    return;
  }
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto* found = std::find(parameters.begin(), parameters.end(), name);
    if (found == parameters.end() || values_[static_cast<std::size_t>(found - parameters.begin())] != nullptr) {
      state.fail("'" + std::string(callee) + "' got an unexpected argument '" + std::string(name.substr(0, 64)) + "'");
      return;
    }
    values_[static_cast<std::size_t>(found - parameters.begin())] = &value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (values_[i] != nullptr) continue;
    state.fail("'" + std::string(callee) + "' needs an argument '" + std::string(*(parameters.begin() + i)) + "'");
    return;
  }
}

std::string_view BoundArguments::text(std::size_t i, std::string_view otherwise) const {
  if (values_[i] == nullptr || values_[i]->is(TemplateValue::Kind::kNone)) return otherwise;
  if (values_[i]->is_text()) return values_[i]->as_text();
  state_.fail("'" + std::string(callee_) + "' needs a string, not " + std::string(values_[i]->type_name()));
  return otherwise;
}

std::int64_t BoundArguments::integer(std::size_t i, std::int64_t otherwise) const {
  if (values_[i] == nullptr || values_[i]->is(TemplateValue::Kind::kNone)) return otherwise;
  if (values_[i]->is_integral()) return values_[i]->as_int();
  state_.fail("'" + std::string(callee_) + "' needs an integer, not " + std::string(values_[i]->type_name()));
  return otherwise;
}

}  // namespace troupe
