#include "load/trace.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "load/length_distribution.hpp"
#include "load/spec.hpp"
#include "load/trace_line.hpp"

namespace troupe {
namespace {

enum Column : std::size_t { kArrival, kPrompt, kOutput, kTenant, kColumns };
constexpr std::array<std::array<std::string_view, 2>, kColumns> kNames = {{{"arrival_ms", "timestamp"},
                                                                           {"prompt_tokens", "input_length"},
                                                                           {"output_tokens", "output_length"},
                                                                           {"tenant", "tenant"}}};

using Fields = std::array<std::optional<std::string>, kColumns>;

std::size_t column_of(std::string_view name) {
  auto found = std::find_if(kNames.begin(), kNames.end(),
                            [&](const auto& names) { return name == names[0] || name == names[1]; });
  return static_cast<std::size_t>(found - kNames.begin());
}

class TraceReader {
 public:
  explicit TraceReader(const std::string& name) : name_(name) { trace_.tenants.emplace_back(); }

  Status add_line(std::string_view line) {
    ++line_;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return {};
    bool is_json = line[line.find_first_not_of(" \t\r")] == '{';
    if (!is_json && header_.empty()) return read_header(line);
    Fields fields;
    Status read = is_json && header_.empty() ? read_json(line, fields) : read_csv(line, fields);
    return read.ok() ? add_row(fields) : read;
  }

  Result<Trace> finish() {
    if (trace_.rows.empty()) return Error{ErrorCode::kConfiguration, name_ + " has no requests", "--trace", 0};
    return std::move(trace_);
  }

  Error fault(const std::string& why) const {
    return {ErrorCode::kConfiguration, name_ + ", line " + std::to_string(line_) + ": " + why, "--trace", 0};
  }

 private:
  Status read_header(std::string_view line) {
    auto cells = split_csv(line);
    if (!cells) return fault(cells.error().message);
    for (const std::string& cell : *cells) header_.push_back(column_of(cell));
    for (std::size_t column : {kArrival, kPrompt, kOutput}) {
      if (std::count(header_.begin(), header_.end(), column) != 1)
        return fault("the header must name " + std::string(kNames[column][0]) + " (or " +
                     std::string(kNames[column][1]) + ") once");
    }
    return {};
  }

  Status read_csv(std::string_view line, Fields& fields) const {
    auto cells = split_csv(line);
    if (!cells) return fault(cells.error().message);
    if (cells->size() != header_.size())
      return fault(std::to_string(cells->size()) + " cells; the header has " + std::to_string(header_.size()));
    for (std::size_t i = 0; i < cells->size(); ++i) {
      if (header_[i] < kColumns) fields[header_[i]] = std::move((*cells)[i]);
    }
    return {};
  }

  Status read_json(std::string_view line, Fields& fields) const {
    auto members = split_json_object(line);
    if (!members) return fault(members.error().message);
    for (auto& [name, value] : *members) {
      std::size_t column = column_of(name);
      if (column < kColumns) fields[column] = std::move(value);
    }
    return {};
  }

  std::optional<double> number(const Fields& fields, Column column, double max) const {
    auto value = fields[column] ? parse_number(*fields[column]) : std::nullopt;
    return value && *value >= 0.0 && *value <= max ? value : std::nullopt;
  }

  Status add_row(const Fields& fields) {
    if (trace_.rows.size() == Trace::kRowsMax)
      return fault("more than " + std::to_string(Trace::kRowsMax) + " requests");
    auto arrival = number(fields, kArrival, Trace::kArrivalMsMax);
    auto prompt = number(fields, kPrompt, LengthDistribution::kTokensMax);
    auto output = number(fields, kOutput, LengthDistribution::kTokensMax);
    if (!arrival) return fault("arrival_ms must be a number of milliseconds from 0 to a month");
    if (!prompt || !output)
      return fault("prompt_tokens and output_tokens must be numbers from 0 to " +
                   std::to_string(LengthDistribution::kTokensMax));
    TraceRow row;
    row.arrival_s = *arrival / 1000.0;
    if (!trace_.rows.empty() && row.arrival_s < trace_.rows.back().arrival_s)
      return fault("arrival_ms falls: sort the file by it");
    row.prompt_tokens = std::max(1U, static_cast<std::uint32_t>(*prompt));
    row.output_tokens = std::max(1U, static_cast<std::uint32_t>(*output));
    std::string tenant = fields[kTenant].value_or("");
    auto known = std::find(trace_.tenants.begin(), trace_.tenants.end(), tenant);
    if (known == trace_.tenants.end()) {
      if (trace_.tenants.size() > Trace::kTenantsMax)
        return fault("more than " + std::to_string(Trace::kTenantsMax) + " tenants");
      known = trace_.tenants.insert(known, tenant);
    }
    row.tenant = static_cast<std::uint32_t>(known - trace_.tenants.begin());
    trace_.rows.push_back(row);
    return {};
  }

  const std::string& name_;
  Trace trace_;
  std::vector<std::size_t> header_;  // column of each cell; kColumns: passed over; empty: none was read
  std::size_t line_ = 0;
};

// Like getline, but never more than kTraceLineMax bytes. False at the end.
bool next_line(std::istream& in, std::string& line, bool& is_too_long) {
  line.clear();
  is_too_long = false;
  for (int c = in.get(); c != std::istream::traits_type::eof(); c = in.get()) {
    if (c == '\n') return true;
    if (line.size() == kTraceLineMax) return is_too_long = true;
    line += static_cast<char>(c);
  }
  return !line.empty();
}

}  // namespace

Result<Trace> read_trace(std::istream& in, const std::string& name) {
  TraceReader reader(name);
  std::string line;
  bool is_too_long = false;
  while (next_line(in, line, is_too_long)) {
    if (is_too_long)
      return reader.fault("after here a line is longer than " + std::to_string(kTraceLineMax) + " bytes");
    Status added = reader.add_line(line);
    if (!added.ok()) return added.error();
  }
  return reader.finish();
}

}  // namespace troupe
