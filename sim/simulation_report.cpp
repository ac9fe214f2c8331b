#include "sim/simulation_report.hpp"

#include <cstdio>
#include <vector>

#include "load/svg_plot.hpp"

namespace troupe {
namespace {

constexpr const char* kColumns[] = {"setting",    "good %",     "good tokens %", "good on average %", "refused",
                                    "retry ok %", "late",       "TTFT p50 ms",   "TTFT p99 ms",       "p99 / allowed",
                                    "ITL p50 ms", "ITL p99 ms", "busy %"};

std::string number(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::vector<std::string> cells(const SimulatedSetting& setting) {
  const SimulationResult& r = setting.result;
  auto ms = [](const LatencySketch& sketch, double q) { return number(1000 * sketch.quantile(q).value_or(0), 1); };
  double soft = r.offered == 0 ? 0 : 100.0 * static_cast<double>(r.good_soft) / static_cast<double>(r.offered);
  return {setting.name,
          number(100 * r.goodput(), 1),
          number(100 * r.goodput_by_tokens(), 1),
          number(soft, 1),
          std::to_string(r.refused),
          r.first_retries == 0 ? "-" : number(100 * r.first_retry_success(), 1),
          std::to_string(r.finished - r.good),
          ms(r.first_token, 0.5),
          ms(r.first_token, 0.99),
          number(r.allowance_p99, 2),
          ms(r.gap, 0.5),
          ms(r.gap, 0.99),
          number(100 * r.busy_share, 0)};
}

constexpr const char* kStyle =
    "body{font:15px/1.45 system-ui,sans-serif;max-width:1200px;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.3rem .7rem;border-bottom:1px solid #d9dee7;"
    "text-align:right}td:first-child,th:first-child{text-align:left}svg{width:100%;max-width:560px;height:auto}"
    ".grid{stroke:#d9dee7}.tick{fill:#667085;font-size:11px}.title{font-size:13px;font-weight:600}"
    ".line{fill:none;stroke:#2563eb;stroke-width:1.8}.bar{fill:#0f8a5f;opacity:.45}";

}  // namespace

std::string simulation_text(std::span<const SimulatedSetting> settings) {
  std::vector<std::vector<std::string>> rows{{std::begin(kColumns), std::end(kColumns)}};
  for (const SimulatedSetting& setting : settings) rows.push_back(cells(setting));
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string pad(widths[i] - row[i].size(), ' ');
      text += i == 0 ? row[i] + pad : "  " + pad + row[i];
    }
    text += '\n';
  }
  return text;
}

std::string simulation_html(const std::string& title, std::span<const SimulatedSetting> settings) {
  std::string html = "<!doctype html><meta charset=utf-8><title>" + escape_html(title) + "</title><style>" + kStyle +
                     "</style><h1>" + escape_html(title) + "</h1><table><tr>";
  for (const char* column : kColumns) html += std::string("<th>") + column + "</th>";
  for (const SimulatedSetting& setting : settings) {
    html += "<tr>";
    for (const std::string& cell : cells(setting)) html += "<td>" + escape_html(cell) + "</td>";
  }
  html += "</table>";
  for (const SimulatedSetting& setting : settings) {
    html += "<h2>" + escape_html(setting.name) + "</h2>";
    html += draw_distribution("time to first token", setting.result.first_token.bins());
    html += draw_distribution("time between tokens", setting.result.gap.bins());
  }
  return html;
}

}  // namespace troupe
