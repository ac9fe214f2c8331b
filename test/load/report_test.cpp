// R200: the guide's own lines, to the letter; the golden text was made by its Python script's print statements.
#include <catch2/catch.hpp>

#include "load/report_html.hpp"
#include "load/report_text.hpp"
#include "load/svg_plot.hpp"

using namespace troupe;

namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

RunStatistics run_of(int served, bool with_failures) {
  ServiceLevel level;
  level.first_token_s = 0.2;
  RunStatistics run(level, {""});
  run.enter(LoadPhase::kSteady, 0.0);
  for (int i = 0; i < served; ++i) {
    run.on_intended(0.0, 0, true);
    run.on_sent(0.0, true);
    run.on_gap(0.5, 0.02, true);
    run.on_end({0.0, 1.0, 0.9, {0.1, 10, 1, 0, 0.02}, 5, 1, 0, true}, {ClientEnding::kDone, 200, "", true, 10, 5, {}});
  }
  if (with_failures) {
    run.on_intended(0.0, 0, true);
    ClientEnd end{ClientEnding::kHttpError, 500, "<script>alert(1)</script>", false, 0, 0, {}};
    run.on_failed_attempt(end, true);
    run.on_end({0.0, 2.0, 0.0, {}, 0, 1, 0, true}, end);
  }
  run.enter(LoadPhase::kDrain, 1.0);
  run.leave(2.0);
  return run;
}

const RunDescription kDescription{
    "http://a/<b>", "2026-01-02 03:04:05 UTC", "troupe x", {{"rate", "\"4\" & more"}}, ""};

}  // namespace

TEST_CASE("R200 the report begins with the guide's lines") {
  std::string text = report_text(run_of(4, true), kDescription);
  CHECK(text.find("\n=== Load Test Results ===\n"
                  "Total requests: 5\n"
                  "Successful: 4\n"
                  "Failed: 1\n"
                  "Total time: 2.00s\n"
                  "Throughput: 2.00 req/s\n"
                  "\n"
                  "Latency Statistics:\n"
                  "  Min: 1.000s\n"
                  "  Max: 1.000s\n"
                  "  Mean: 1.000s\n"
                  "  P50: 1.000s\n"
                  "  P95: 1.000s\n"
                  "  P99: 1.000s\n") == 0);
  CHECK_THAT(text, Catch::Contains("Tokens: prompt 40 (20.0/s), output 20 (10.0/s)"));
  CHECK_THAT(text, Catch::Contains("Goodput: 2.00 req/s, 80.0 % of requests; 10.0 output tok/s, 100.0 % of tokens"));
  CHECK_THAT(text, Catch::Contains("TTFT                    100.00     100.00"));
  CHECK_THAT(text, Catch::Contains("TPOT                    200.00"));  // (0.9 - 0.1) / 4
}

TEST_CASE("R201 no success, and no request at all, are said without dividing by zero") {
  std::string failed = report_text(run_of(0, true), kDescription);
  CHECK_THAT(failed, Catch::Contains("Failed: 1\n") && Catch::Contains("\nNo successful requests\n"));
  std::string none = report_text(RunStatistics({}, {""}), kDescription);
  CHECK_THAT(none, Catch::Contains("Total requests: 0\n") && Catch::Contains("Throughput: 0.00 req/s"));
  for (const std::string& text : {failed, none}) {
    CHECK(text.find("nan") == std::string::npos);
    CHECK(text.find("inf") == std::string::npos);
  }
  std::string page = report_html(RunStatistics({}, {""}), kDescription);
  CHECK(page.find("nan") == std::string::npos);
  CHECK(page.find("=\"inf") == std::string::npos);
}

TEST_CASE("the HTML report is one file that asks nothing of a network and runs nothing") {
  std::string page = report_html(run_of(4, true), kDescription);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("src=") == std::string::npos);
  CHECK(page.find("href=") == std::string::npos);
  CHECK(page.find("@import") == std::string::npos);
  CHECK(page.find("url(") == std::string::npos);
  CHECK_THAT(page, Catch::Contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
  CHECK_THAT(page, Catch::Contains("Load test of http://a/&lt;b&gt;"));
  CHECK_THAT(page, Catch::Contains("&quot;4&quot; &amp; more"));
  CHECK(count_of(page, "<svg ") == 7);
  CHECK(count_of(page, "</svg>") == 7);
}

TEST_CASE("a plot of lines has a gap where there is no value and shows small times in ms") {
  LinePlot plot{"t", "s", 1.0, {{"p50", {0.010, std::nullopt, 0.020, 0.030}}}, true};
  std::string svg = draw_lines(plot);
  CHECK_THAT(svg, Catch::Contains(">ms</text>") && Catch::Contains(">30</text>"));
  std::string path = svg.substr(svg.find("<path class=\"line s0\""));
  CHECK(count_of(path, "M") == 2);
  plot.lines[0].y = {2.0, 4.0};
  CHECK_THAT(draw_lines(plot), Catch::Contains(">s</text>") && !Catch::Contains(">ms</text>"));
}

TEST_CASE("the progress line says what goes on") {
  RunStatistics run = run_of(4, true);
  CHECK(progress_text(run, {12.0, 3, 512.34}) ==
        "   12.0s drain  sent 4  running 3  ok 4  refused 0  failed 1  512.3 tok/s  TTFT p50 0.100s");
}
