#include "text/chat_template/template_scope.hpp"

namespace troupe {

namespace {
constexpr std::size_t kNamesPerStep = 16;
}

void TemplateScope::set(RenderState& state, std::string_view name, TemplateValue value) {
  if (!state.step(1 + variables.size() / kNamesPerStep)) return;
  for (auto& [known, old] : variables) {
    if (known != name) continue;
    old = std::move(value);
    return;
  }
  if (state.allocate(sizeof(variables[0]))) variables.emplace_back(name, std::move(value));
}

const TemplateValue* TemplateScope::find(RenderState& state, std::string_view name) const {
  for (const TemplateScope* scope = this; scope != nullptr; scope = scope->outer) {
    if (!state.step(1 + scope->variables.size() / kNamesPerStep)) return nullptr;
    for (const auto& [known, value] : scope->variables) {
      if (known == name) return &value;
    }
  }
  return nullptr;
}

}  // namespace troupe
