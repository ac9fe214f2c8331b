#pragma once
// What is counted by tenant class, and the names the classes have. Any thread counts, any thread collects.
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "runtime/latest.hpp"
#include "runtime/metric_family.hpp"
#include "runtime/metric_labels.hpp"
#include "runtime/tenant_rule.hpp"
#include "runtime/tenants.hpp"

namespace troupe {

enum class TokenKind : std::uint8_t { kPrompt, kGenerated };
constexpr std::array<const char*, 2> label_values(TokenKind) { return {"prompt", "generated"}; }

inline constexpr std::size_t kOutcomes = label_values(Outcome{}).size();

struct TenantFigures {
  Counter accepted;
  std::array<Counter, kOutcomes> ended;
  std::array<Counter, label_values(TenantLimit{}).size()> limited;
  std::array<Counter, label_values(TokenKind{}).size()> tokens;
  Gauge waiting;
  Gauge running;
};

class FiguresByTenant {
 public:
  void name(std::vector<std::string> names) {
    names_.set(std::make_shared<const std::vector<std::string>>(std::move(names)));
  }
  TenantFigures& of(TenantClass tenant) { return figures_[index_of(tenant)]; }
  const TenantFigures& of(TenantClass tenant) const { return figures_[index_of(tenant)]; }

  // One sample for every class that has a name.
  template <class Value>
  std::vector<MetricSample> samples(Value&& value) const {
    std::vector<MetricSample> out;
    each([&](std::size_t index, const std::string& name) {
      out.push_back({{{"tenant", name}}, static_cast<double>(value(index)), {}, 0.0});
    });
    return out;
  }
  // One for every class with a name and every value of the label, from the first event on.
  template <class Label, class Value>
  std::vector<MetricSample> samples(const char* label, Label, Value&& value) const {
    std::vector<MetricSample> out;
    each([&](std::size_t index, const std::string& name) {
      for (std::size_t i = 0; i < label_values(Label{}).size(); ++i) {
        std::uint64_t count = value(index, i);
        if (count == 0) continue;
        out.push_back({{{"tenant", name}, {label, label_values(Label{})[i]}}, static_cast<double>(count), {}, 0.0});
      }
    });
    return out;
  }
  const TenantFigures& at(std::size_t index) const { return figures_[index]; }

 private:
  template <class Visit>
  void each(Visit&& visit) const {
    visit(index_of(TenantClass::kAnonymous), "anonymous");
    visit(index_of(TenantClass::kOther), "other");
    auto names = names_.get();
    for (std::size_t i = 0; i < names->size(); ++i) visit(index_of(named_class(i)), (*names)[i]);
  }

  std::array<TenantFigures, kTenantClasses> figures_;
  Latest<std::vector<std::string>> names_{std::make_shared<const std::vector<std::string>>()};
};

}  // namespace troupe
