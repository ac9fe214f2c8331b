#include "load/report_html.hpp"

#include <cstdio>
#include <functional>

#include "load/report_text.hpp"
#include "load/svg_plot.hpp"

namespace troupe {
namespace {

constexpr const char* kStyle = R"(
:root{--ink:#1c2330;--soft:#667085;--line:#d9dee7;--back:#fff;--card:#f6f8fb;--s0:#2563eb;--s1:#d9480f;--s2:#0f8a5f}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#98a2b3;--line:#323a48;--back:#12161d;--card:#1a202a;
--s0:#6ea8fe;--s1:#ff9f5a;--s2:#4fd1a1}}
body{margin:2rem auto;max-width:1360px;padding:0 1rem;color:var(--ink);background:var(--back);
font:15px/1.45 system-ui,sans-serif}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .6rem}p{margin:.2rem 0;color:var(--soft)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.7rem;margin:1.2rem 0}
.card,svg{background:var(--card);border:1px solid var(--line);border-radius:8px}
.card{padding:.6rem .8rem}.card b{display:block;font-size:1.25rem}.card span{color:var(--soft);font-size:.85rem}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(460px,1fr));gap:.9rem}svg{width:100%;height:auto}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.8rem;overflow:auto;font-size:13px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}dt{color:var(--soft)}dd{margin:0}
.warning{color:var(--s1)}.grid{stroke:var(--line)}.tick{fill:var(--soft);font-size:11px}
.title{fill:var(--ink);font-size:13px;font-weight:600}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.line.s0{stroke:var(--s0)}.line.s1{stroke:var(--s1)}.line.s2{stroke:var(--s2)}
.dot.s0{fill:var(--s0)}.dot.s1{fill:var(--s1)}.dot.s2{fill:var(--s2)}.bar{fill:var(--s2);opacity:.45}
)";

using OfSlice = std::function<std::optional<double>(const TimeSlice&)>;

PlotLine line_of(const Timeline& timeline, std::string label, const OfSlice& value) {
  PlotLine line{std::move(label), {}};
  for (const TimeSlice& slice : timeline.slices()) line.y.push_back(value(slice));
  return line;
}

std::string quantile_plot(const Timeline& timeline, std::string title, LatencySketch TimeSlice::*sketch) {
  LinePlot plot{std::move(title), "s", timeline.slice_s(), {}, true};
  plot.lines.push_back(line_of(timeline, "p50", [=](const TimeSlice& slice) { return (slice.*sketch).quantile(0.5); }));
  plot.lines.push_back(
      line_of(timeline, "p99", [=](const TimeSlice& slice) { return (slice.*sketch).quantile(0.99); }));
  return draw_lines(std::move(plot));
}

struct Counted {
  const char* label;
  std::uint64_t TimeSlice::*count;
};

std::string rate_plot(const Timeline& timeline, std::string title, std::string unit,
                      const std::vector<Counted>& counts) {
  LinePlot plot{std::move(title), std::move(unit), timeline.slice_s(), {}, false};
  for (const Counted& counted : counts) {
    plot.lines.push_back(line_of(timeline, counted.label, [&](const TimeSlice& slice) {
      return static_cast<double>(slice.*counted.count) / timeline.slice_s();
    }));
  }
  return draw_lines(std::move(plot));
}

std::string decimals(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string milliseconds(const LatencySketch& sketch, double q) {
  auto seconds = sketch.quantile(q);
  return seconds ? decimals(*seconds * 1e3, 1) + " ms" : "-";
}

std::string card(const std::string& figure, const std::string& what) {
  return "<div class=\"card\"><b>" + escape_html(figure) + "</b><span>" + escape_html(what) + "</span></div>\n";
}

std::string cards(const RunStatistics& run) {
  double seconds = run.measured_s() > 0.0 ? run.measured_s() : 1.0;
  std::string out = "<div class=\"cards\">\n";
  out += card(std::to_string(run.served) + " of " + std::to_string(run.requests), "requests served");
  out += card(decimals(static_cast<double>(run.served) / seconds, 2), "requests/s");
  out += card(decimals(static_cast<double>(run.output_tokens) / seconds, 1), "output tokens/s");
  out += card(milliseconds(run.first_token, 0.5) + " / " + milliseconds(run.first_token, 0.99), "TTFT p50 / p99");
  out += card(milliseconds(run.inter_token, 0.5) + " / " + milliseconds(run.inter_token, 0.99), "ITL p50 / p99");
  if (run.service_level.is_set() && run.requests > 0)
    out += card(decimals(100.0 * static_cast<double>(run.good) / static_cast<double>(run.requests), 1) + " %",
                "goodput, of requests");
  out += card(std::to_string(run.refused) + " / " + std::to_string(run.failed), "refused / failed");
  return out + "</div>\n";
}

std::string plots(const RunStatistics& run) {
  const Timeline& time = run.timeline;
  std::string out = "<div class=\"plots\">\n";
  out += quantile_plot(time, "TTFT, by intended time", &TimeSlice::first_token);
  out += quantile_plot(time, "ITL", &TimeSlice::inter_token);
  out += rate_plot(time, "Offered and served", "req/s",
                   {{"offered", &TimeSlice::offered}, {"served", &TimeSlice::served}});
  out += rate_plot(time, "Output tokens of served requests", "tok/s", {{"output", &TimeSlice::output_tokens}});
  out += draw_distribution("TTFT", run.first_token.bins());
  out += draw_distribution("ITL", run.inter_token.bins());
  out += rate_plot(time, "Refusals and failures", "1/s",
                   {{"refused", &TimeSlice::refused}, {"failed", &TimeSlice::failed}});
  return out + "</div>\n";
}

}  // namespace

std::string report_html(const RunStatistics& run, const RunDescription& description) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>Load test of ";
  out += escape_html(description.url) + "</title><style>" + kStyle + "</style></head><body>\n";
  out += "<h1>Load test of " + escape_html(description.url) + "</h1>\n<p>" + escape_html(description.started) +
         ", by " + escape_html(description.generator) + "</p>\n";
  if (!description.ending.empty())
    out += "<p class=\"warning\">The run ended early: " + escape_html(description.ending) + "</p>\n";
  out += cards(run) + plots(run);
  out += "<h2>Figures</h2>\n<pre>" + escape_html(report_text(run, description)) + "</pre>\n";
  out += "<h2>Settings</h2>\n<dl>\n";
  for (const auto& [name, value] : description.settings)
    out += "<dt>" + escape_html(name) + "</dt><dd>" + escape_html(value) + "</dd>\n";
  return out + "</dl>\n</body></html>\n";
}

}  // namespace troupe
