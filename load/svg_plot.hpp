#pragma once
// The two pictures of the HTML report as SVG text: lines over time, and a distribution on a logarithmic axis.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "load/latency_sketch.hpp"

namespace troupe {

struct PlotLine {
  std::string label;
  std::vector<std::optional<double>> y;  // nothing: a gap
};

struct LinePlot {
  std::string title;
  std::string unit;             // of y
  double slice_s = 1.0;         // y[i] belongs to [i, i + 1) * slice_s
  std::vector<PlotLine> lines;  // at most 3: there are so many colours
  bool is_time = false;         // y are seconds: shown as ms when they are small
};
std::string draw_lines(LinePlot plot);

// Bars for the share of each bin, a line for the share at or below it.
std::string draw_distribution(const std::string& title, std::span<const LatencySketch::Bin> bins);

std::string escape_html(std::string_view text);

}  // namespace troupe
