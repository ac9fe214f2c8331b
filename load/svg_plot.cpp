#include "load/svg_plot.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace troupe {
namespace {

constexpr double kWidth = 640, kHeight = 240;
constexpr double kLeft = 58, kRight = 12, kTop = 34, kBottom = 34;  // margins
constexpr double kPlotWidth = kWidth - kLeft - kRight, kPlotHeight = kHeight - kTop - kBottom;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value >= 100.0 ? "%.0f" : "%.3g", value);
  return text;
}

std::string at(double value) {  // a coordinate
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

// 1, 2 or 5 times a power of ten, so that at most so many ticks fit below `max`.
double tick_step(double max, double ticks) {
  double raw = max / ticks;
  double power = std::pow(10.0, std::floor(std::log10(raw)));
  double factor = raw / power;
  return power * (factor <= 1.0 ? 1.0 : factor <= 2.0 ? 2.0 : factor <= 5.0 ? 5.0 : 10.0);
}

std::string text_at(double x, double y, const char* anchor, const std::string& text, const char* style = "tick") {
  return "<text class=\"" + std::string(style) + "\" x=\"" + at(x) + "\" y=\"" + at(y) + "\" text-anchor=\"" + anchor +
         "\">" + escape_html(text) + "</text>";
}

std::string line(double x1, double y1, double x2, double y2) {
  return "<line class=\"grid\" x1=\"" + at(x1) + "\" y1=\"" + at(y1) + "\" x2=\"" + at(x2) + "\" y2=\"" + at(y2) +
         "\"/>";
}

std::string open(const std::string& title) {
  return "<svg viewBox=\"0 0 " + number(kWidth) + " " + number(kHeight) + "\" role=\"img\" aria-label=\"" +
         escape_html(title) + "\">" + text_at(kLeft, 16, "start", title, "title");
}

double x_of(double share) { return kLeft + share * kPlotWidth; }
double y_of(double share) { return kTop + (1.0 - share) * kPlotHeight; }

std::string horizontal_grid(double max, const std::string& unit) {
  std::string out;
  double step = tick_step(max, 4.0);
  for (double tick = 0.0; tick <= max * 1.0001; tick += step)
    out += line(kLeft, y_of(tick / max), kWidth - kRight, y_of(tick / max)) +
           text_at(kLeft - 6, y_of(tick / max) + 4, "end", number(tick));
  return out + text_at(kLeft - 6, kTop - 8, "end", unit);
}

double largest(const LinePlot& plot) {
  double max = 0.0;
  for (const PlotLine& one : plot.lines) {
    for (const auto& y : one.y) max = std::max(max, y.value_or(0.0));
  }
  return max;
}

// One path a line; a point that stands alone between gaps becomes a dot by the round caps of its stroke.
std::string path_of(const PlotLine& one, double max, std::size_t slices) {
  std::string d;
  bool is_down = false;
  for (std::size_t i = 0; i < one.y.size(); ++i) {
    if (!one.y[i]) {
      is_down = false;
      continue;
    }
    double x = x_of((static_cast<double>(i) + 0.5) / static_cast<double>(slices));
    std::string point = at(x) + " " + at(y_of(*one.y[i] / max));
    if (!is_down) d.append("M").append(point);
    d.append("L").append(point);
    is_down = true;
  }
  return d;
}

std::string legend(const std::vector<PlotLine>& lines) {
  std::string out;
  double x = kWidth - kRight;
  for (std::size_t i = lines.size(); i-- > 0;) {
    out += text_at(x, 16, "end", lines[i].label, "tick");
    x -= 7.0 * static_cast<double>(lines[i].label.size()) + 6.0;
    out += "<circle class=\"dot s" + std::to_string(i) + "\" cx=\"" + at(x) + "\" cy=\"12\" r=\"4\"/>";
    x -= 14.0;
  }
  return out;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 && c != '\n' ? ' ' : c;
    }
  }
  return out;
}

std::string draw_lines(LinePlot plot) {
  double max = largest(plot);
  if (plot.is_time && max < 1.0) {
    for (PlotLine& one : plot.lines) {
      for (auto& y : one.y) {
        if (y) *y *= 1000.0;
      }
    }
    max *= 1000.0;
    plot.unit = "ms";
  }
  std::size_t slices = 1;
  for (const PlotLine& one : plot.lines) slices = std::max(slices, one.y.size());
  std::string out = open(plot.title) + legend(plot.lines);
  max = max > 0.0 ? max * 1.05 : 1.0;
  out += horizontal_grid(max, plot.unit);
  double end_s = static_cast<double>(slices) * plot.slice_s;
  double step = tick_step(end_s, 10.0);
  for (double tick = 0.0; tick <= end_s * 1.0001; tick += step)
    out += text_at(x_of(tick / end_s), kHeight - kBottom + 16, "middle", number(tick));
  out += text_at(kWidth - kRight, kHeight - 4, "end", "seconds of the run");
  for (std::size_t i = 0; i < plot.lines.size(); ++i)
    out += "<path class=\"line s" + std::to_string(i) + "\" d=\"" + path_of(plot.lines[i], max, slices) + "\"/>";
  return out + "</svg>\n";
}

std::string draw_distribution(const std::string& title, std::span<const LatencySketch::Bin> bins) {
  std::string out = open(title);
  std::uint64_t all = 0;
  std::uint64_t most = 0;
  for (const LatencySketch::Bin& bin : bins) {
    all += bin.count;
    most = std::max(most, bin.count);
  }
  if (all == 0) return out + text_at(kWidth / 2, kHeight / 2, "middle", "nothing to show") + "</svg>\n";
  out += horizontal_grid(100.0, "%");
  out += text_at(kWidth - kRight, 16, "end",
                 "line: share at or below; bars: share of each bin, the largest " +
                     number(100.0 * static_cast<double>(most) / static_cast<double>(all)) + " %");
  double width = kPlotWidth / static_cast<double>(bins.size());
  std::string d;
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < bins.size(); ++i) {
    double x = kLeft + width * static_cast<double>(i);
    double height = kPlotHeight * static_cast<double>(bins[i].count) / static_cast<double>(most);
    out += "<rect class=\"bar\" x=\"" + at(x + 0.5) + "\" y=\"" + at(kTop + kPlotHeight - height) + "\" width=\"" +
           at(std::max(width - 1.0, 0.5)) + "\" height=\"" + at(height) + "\"><title>up to " +
           number(bins[i].upper * 1e3) + " ms: " + std::to_string(bins[i].count) + "</title></rect>";
    so_far += bins[i].count;
    d += (d.empty() ? "M" : "L") + at(x + width) + " " +
         at(y_of(static_cast<double>(so_far) / static_cast<double>(all)));
    std::size_t labels_every = 1 + bins.size() / 10;
    if (i % labels_every == 0) out += text_at(x + width, kHeight - kBottom + 16, "middle", number(bins[i].upper * 1e3));
  }
  out += text_at(kWidth - kRight, kHeight - 4, "end", "milliseconds, logarithmic");
  return out + "<path class=\"line s0\" d=\"" + d + "\"/></svg>\n";
}

}  // namespace troupe
