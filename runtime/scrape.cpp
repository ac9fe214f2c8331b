#include "runtime/scrape.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>

namespace troupe {
namespace {

Error wrong(std::string_view line, const char* why) {
  return {ErrorCode::kInvalidRequest,
          "these are no Prometheus metrics: " + std::string(why) + " in \"" + std::string(line.substr(0, 80)) + "\"",
          "", 0};
}

bool is_name(std::string_view text) {
  auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':'; };
  if (text.empty() || !is_letter(text.front())) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

// "value" with \\, \" and \n; moves past the closing quote. Nothing: it is not closed.
std::optional<std::string> take_quoted(std::string_view& text) {
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return out;
    }
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      out += text[i] == 'n' ? '\n' : text[i];
    } else {
      out += text[i];
    }
  }
  return std::nullopt;
}

std::optional<double> number(std::string_view text) {
  std::string copy(text);
  char* end = nullptr;
  double value = std::strtod(copy.c_str(), &end);  // also "+Inf" and "NaN"
  if (copy.empty() || end != copy.c_str() + copy.size()) return std::nullopt;
  return value;
}

}  // namespace

Status Scrape::parse_line(std::string_view line, Series& series) {
  std::string_view rest = line;
  std::size_t end = rest.find_first_of("{ \t");
  if (end == std::string_view::npos) return wrong(line, "no value");
  series.name = std::string(rest.substr(0, end));
  if (!is_name(series.name)) return wrong(line, "no name");
  rest.remove_prefix(end);
  if (rest.front() == '{') {
    rest.remove_prefix(1);
    for (;;) {
      skip_blanks(rest);
      if (!rest.empty() && rest.front() == '}') break;
      std::size_t equals = rest.find('=');
      if (equals == std::string_view::npos || equals + 1 >= rest.size() || rest[equals + 1] != '"') {
        return wrong(line, "a label without a value");
      }
      std::string label(rest.substr(0, equals));
      rest.remove_prefix(equals + 1);
      std::optional<std::string> value = take_quoted(rest);
      if (!value) return wrong(line, "a label that does not end");
      if (series.labels.size() >= kLabelsMax) return wrong(line, "too many labels");
      series.labels.emplace_back(std::move(label), std::move(*value));
      if (!rest.empty() && rest.front() == ',') rest.remove_prefix(1);
    }
    rest.remove_prefix(1);
  }
  skip_blanks(rest);
  std::optional<double> value = number(rest.substr(0, rest.find_first_of(" \t")));  // a timestamp may follow
  if (!value) return wrong(line, "no number");
  series.value = *value;
  return {};
}

Result<Scrape> Scrape::parse(std::string_view text) {
  if (text.size() > kBytesMax) {
    return Error{ErrorCode::kInvalidRequest,
                 "the metrics have " + std::to_string(text.size()) + " bytes (at most 16 MiB)", "", 0};
  }
  Scrape scrape;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    skip_blanks(line);
    if (line.empty() || line.front() == '#') continue;
    if (scrape.series_.size() >= kSeriesMax) return wrong(line, "more than 200000 series");
    if (Status status = parse_line(line, scrape.series_.emplace_back()); !status) return status.error();
  }
  std::stable_sort(scrape.series_.begin(), scrape.series_.end(),
                   [](const Series& a, const Series& b) { return a.name < b.name; });
  return scrape;
}

std::pair<std::size_t, std::size_t> Scrape::named(std::string_view name) const {
  auto first = std::lower_bound(series_.begin(), series_.end(), name,
                                [](const Series& series, std::string_view wanted) { return series.name < wanted; });
  auto last = first;
  while (last != series_.end() && last->name == name) ++last;
  return {static_cast<std::size_t>(first - series_.begin()), static_cast<std::size_t>(last - series_.begin())};
}

bool Scrape::matches(const Series& series, Where labels) {
  return std::all_of(labels.begin(), labels.end(), [&](const auto& wanted) {
    return std::any_of(series.labels.begin(), series.labels.end(),
                       [&](const auto& one) { return one.first == wanted.first && one.second == wanted.second; });
  });
}

bool Scrape::has(std::string_view name) const {
  auto [first, last] = named(name);
  return first < last;
}

double Scrape::sum(std::string_view name, Where labels) const {
  auto [first, last] = named(name);
  double all = 0.0;
  for (std::size_t i = first; i < last; ++i) {
    if (matches(series_[i], labels)) all += series_[i].value;
  }
  return all;
}

std::optional<double> Scrape::quantile_since(const Scrape& before, std::string_view name, double q,
                                             Where labels) const {
  std::string buckets = std::string(name) + "_bucket";
  std::map<double, double> observed;  // by bound, cumulative
  auto add = [&](const Scrape& scrape, double sign) {
    auto [first, last] = scrape.named(buckets);
    for (std::size_t i = first; i < last; ++i) {
      if (!matches(scrape.series_[i], labels)) continue;
      for (const auto& [label, bound] : scrape.series_[i].labels) {
        if (label == "le") observed[number(bound).value_or(0.0)] += sign * scrape.series_[i].value;
      }
    }
  };
  add(*this, 1.0);
  add(before, -1.0);
  if (observed.empty() || observed.rbegin()->second <= 0.0) return std::nullopt;
  double rank = q * observed.rbegin()->second;
  for (const auto& [bound, count] : observed) {
    if (count >= rank) return bound < std::numeric_limits<double>::infinity() ? std::optional(bound) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace troupe
