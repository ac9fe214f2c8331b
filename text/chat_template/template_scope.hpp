#pragma once
// The names one block of a template has given values to. Inner scopes see outer ones; what they set stays inside.
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "text/chat_template/render_state.hpp"
#include "text/chat_template/template_value.hpp"

namespace troupe {

struct TemplateScope {
  explicit TemplateScope(TemplateScope* outer_scope) : outer(outer_scope) {}

  TemplateScope* outer;  // alive as long as this one: scopes end in the order they were begun
  std::vector<std::pair<std::string_view, TemplateValue>> variables;  // names live in the tree

  void set(RenderState& state, std::string_view name, TemplateValue value);
  const TemplateValue* find(RenderState& state, std::string_view name) const;  // here or further out
};

// Makes a new scope within `outer` the innermost one for as long as it lives.
class EnteredScope {
 public:
  EnteredScope(std::shared_ptr<TemplateScope>& innermost, TemplateScope* outer)
      : innermost_(innermost), before_(std::exchange(innermost, std::make_shared<TemplateScope>(outer))) {}
  ~EnteredScope() { innermost_ = std::move(before_); }
  EnteredScope(const EnteredScope&) = delete;
  EnteredScope& operator=(const EnteredScope&) = delete;

 private:
  std::shared_ptr<TemplateScope>& innermost_;
  std::shared_ptr<TemplateScope> before_;
};

}  // namespace troupe
