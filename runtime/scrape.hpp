#pragma once
// A scrape of metrics, read back: the text format of Prometheus (version 0.0.4) as far as numbers go. From outside,
// hence bounded; a line that cannot be read refuses the whole.
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/result.hpp"

namespace troupe {

class Scrape {
 public:
  static constexpr std::size_t kBytesMax = 16U << 20;
  static constexpr std::size_t kSeriesMax = 200'000;
  static constexpr std::size_t kLabelsMax = 64;  // of one series

  static Result<Scrape> parse(std::string_view text);

  using Where = std::initializer_list<std::pair<std::string_view, std::string_view>>;
  bool has(std::string_view name) const;
  // Of all series of that name with these labels; 0 when there is none.
  double sum(std::string_view name, Where labels = {}) const;

  // The q-quantile of what a histogram observed between `before` and now, by its bucket's upper bound; nothing when
  // it observed nothing, or only beyond its last bound.
  std::optional<double> quantile_since(const Scrape& before, std::string_view name, double q, Where labels = {}) const;

 private:
  struct Series {
    std::string name;
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0.0;
  };
  std::pair<std::size_t, std::size_t> named(std::string_view name) const;  // [first, last)
  static bool matches(const Series& series, Where labels);
  static Status parse_line(std::string_view line, Series& series);

  std::vector<Series> series_;  // by name
};

}  // namespace troupe
