#pragma once
// A metric family: a name, its help, its type and one series per combination of label values. Label values are enums,
// so the number of series is known when the program is compiled and nothing a client sends can add one.
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/observations.hpp"

namespace troupe {

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram };
const char* name_of(MetricType type);

struct MetricSample {
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0.0;                     // counters and gauges
  std::vector<std::uint64_t> cumulative;  // histograms: one per bound of the family, then all
  double sum = 0.0;                       // histograms
};

class MetricFamily;
using MetricTable = std::vector<const MetricFamily*>;

class MetricFamily {
 public:
  MetricFamily(MetricTable& table, MetricType type, const char* name, const char* help)
      : type_(type), name_(name), help_(help) {
    table.push_back(this);
  }
  virtual ~MetricFamily() = default;
  MetricFamily(const MetricFamily&) = delete;
  MetricFamily& operator=(const MetricFamily&) = delete;

  MetricType type() const { return type_; }
  const char* name() const { return name_; }
  const char* help() const { return help_; }
  virtual std::vector<MetricSample> samples() const = 0;
  virtual std::vector<std::string> label_names() const = 0;
  virtual std::span<const double> bounds() const { return {}; }

 private:
  MetricType type_;
  const char* name_;
  const char* help_;
};

// Labels are enums with a function `label_values(Enum)` that returns a std::array of their names, in order.
template <class... Labels>
class LabelSet {
 public:
  static constexpr std::size_t kSeries = (std::size_t{1} * ... * label_values(Labels{}).size());
  using Names = std::array<const char*, sizeof...(Labels)>;

  static std::vector<std::string> names(const Names& names) { return {names.begin(), names.end()}; }
  static std::size_t index(Labels... labels) {
    std::size_t at = 0;
    ((at = at * label_values(Labels{}).size() + static_cast<std::size_t>(labels)), ...);
    return at;
  }
  static std::vector<std::pair<std::string, std::string>> labels(const Names& names, std::size_t index) {
    std::vector<std::pair<std::string, std::string>> out(sizeof...(Labels));
    if constexpr (sizeof...(Labels) > 0) {
      std::array<std::size_t, sizeof...(Labels)> sizes{label_values(Labels{}).size()...};
      std::array<std::vector<const char*>, sizeof...(Labels)> values{all_of(label_values(Labels{}))...};
      for (std::size_t i = sizeof...(Labels); i-- > 0;) {
        out[i] = {names[i], values[i][index % sizes[i]]};
        index /= sizes[i];
      }
    }
    return out;
  }

 private:
  template <class Array>
  static std::vector<const char*> all_of(const Array& array) {
    return {array.begin(), array.end()};
  }
};

// Counters<> is one series; Counters<Route, Status> has one for every pair, of which those still 0 are not shown.
template <class... Labels>
class Counters : public MetricFamily {
 public:
  using Set = LabelSet<Labels...>;
  Counters(MetricTable& table, const char* name, const char* help, typename Set::Names labels = {})
      : MetricFamily(table, MetricType::kCounter, name, help), labels_(labels) {}

  void add(Labels... labels, std::uint64_t n) { series_[Set::index(labels...)].add(n); }
  void count(Labels... labels) { series_[Set::index(labels...)].add(1); }
  std::uint64_t value(Labels... labels) const { return series_[Set::index(labels...)].value(); }
  std::uint64_t total() const {
    std::uint64_t all = 0;
    for (const Counter& series : series_) all += series.value();
    return all;
  }

  std::vector<std::string> label_names() const override { return Set::names(labels_); }
  std::vector<MetricSample> samples() const override {
    std::vector<MetricSample> out;
    for (std::size_t i = 0; i < series_.size(); ++i) {
      std::uint64_t value = series_[i].value();
      if (value == 0 && sizeof...(Labels) > 1) continue;
      out.push_back({Set::labels(labels_, i), static_cast<double>(value), {}, 0.0});
    }
    return out;
  }

 private:
  typename Set::Names labels_;
  std::array<Counter, Set::kSeries> series_;
};

template <class... Labels>
class Gauges : public MetricFamily {
 public:
  using Set = LabelSet<Labels...>;
  // `first`: NaN for a series that is absent until it is set.
  Gauges(MetricTable& table, const char* name, const char* help, typename Set::Names labels = {}, double first = 0.0)
      : MetricFamily(table, MetricType::kGauge, name, help), labels_(labels) {
    for (Gauge& series : series_) series.set(first);
  }

  void set(Labels... labels, double value) { series_[Set::index(labels...)].set(value); }
  void add(Labels... labels, double n) { series_[Set::index(labels...)].add(n); }
  void raise(Labels... labels, double value) { series_[Set::index(labels...)].raise(value); }
  double value(Labels... labels) const { return series_[Set::index(labels...)].value(); }

  std::vector<std::string> label_names() const override { return Set::names(labels_); }
  std::vector<MetricSample> samples() const override {
    std::vector<MetricSample> out;
    for (std::size_t i = 0; i < series_.size(); ++i) {
      double value = series_[i].value();
      if (!std::isnan(value)) out.push_back({Set::labels(labels_, i), value, {}, 0.0});
    }
    return out;
  }

 private:
  typename Set::Names labels_;
  std::array<Gauge, Set::kSeries> series_;
};

// With labels, a series is shown from its first observation on: an empty one makes histogram_quantile say NaN.
template <class... Labels>
class Histograms : public MetricFamily {
 public:
  using Set = LabelSet<Labels...>;
  Histograms(MetricTable& table, const char* name, const char* help, std::span<const double> bounds,
             typename Set::Names labels = {})
      : MetricFamily(table, MetricType::kHistogram, name, help), labels_(labels), bounds_(bounds) {
    series_.reserve(Set::kSeries);
    for (std::size_t i = 0; i < Set::kSeries; ++i) series_.push_back(std::make_unique<Histogram>(bounds));
  }

  template <class Value>
  void observe(Labels... labels, Value value) {
    series_[Set::index(labels...)]->observe(value);
  }
  const Histogram& series(Labels... labels) const { return *series_[Set::index(labels...)]; }
  std::span<const double> bounds() const override { return bounds_; }

  std::vector<std::string> label_names() const override { return Set::names(labels_); }
  std::vector<MetricSample> samples() const override {
    std::vector<MetricSample> out;
    for (std::size_t i = 0; i < series_.size(); ++i) {
      MetricSample sample{Set::labels(labels_, i), 0.0, series_[i]->cumulative(), series_[i]->sum()};
      if (sample.cumulative.back() > 0 || sizeof...(Labels) == 0) out.push_back(std::move(sample));
    }
    return out;
  }

 private:
  typename Set::Names labels_;
  std::span<const double> bounds_;
  std::vector<std::unique_ptr<Histogram>> series_;
};

// A value worked out when somebody asks for it. No samples: there is nothing to say.
class DerivedMetric : public MetricFamily {
 public:
  using Compute = std::function<std::vector<MetricSample>()>;
  DerivedMetric(MetricTable& table, MetricType type, const char* name, const char* help, Compute compute,
                std::vector<std::string> labels = {})
      : MetricFamily(table, type, name, help), compute_(std::move(compute)), labels_(std::move(labels)) {}
  std::vector<MetricSample> samples() const override { return compute_(); }
  std::vector<std::string> label_names() const override { return labels_; }

 private:
  Compute compute_;
  std::vector<std::string> labels_;
};

}  // namespace troupe
