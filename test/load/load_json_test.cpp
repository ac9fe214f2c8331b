// Read back by Boost.JSON, which had no part in writing it.
#include <catch2/catch.hpp>

#include "cli/load_json.hpp"
#include "net/schema/json_parse.hpp"

using namespace troupe;

TEST_CASE("R200 the JSON report is valid and has the figures, zero requests too") {
  RunStatistics run({}, {"a\"b"});
  auto empty = parse_json(load_json(run, {"http://x", "now", "troupe", {}, "it was interrupted"})).value().as_object();
  CHECK(empty.at("requests").at("total").to_number<int>() == 0);
  CHECK(empty.at("seconds_of").at("ttft").at("p50").is_null());
  CHECK(empty.at("goodput").is_null());
  CHECK(empty.at("ended_early").as_string() == "it was interrupted");

  run.enter(LoadPhase::kSteady, 0.0);
  run.on_intended(0.5, 0, true);
  run.on_end({0.5, 2.0, 1.9, {0.25, 10, 4, 0, 1.0}, 5, 1, 0, true}, {ClientEnding::kDone, 200, "", true, 10, 5, {}});
  run.leave(2.0);
  auto full = parse_json(load_json(run, {"http://x", "now", "troupe", {{"rate", "4"}}, ""})).value().as_object();
  CHECK(full.at("requests").at("successful").to_number<int>() == 1);
  CHECK(full.at("tokens").at("output").to_number<int>() == 5);
  CHECK(full.at("seconds_of").at("ttft").at("p50").to_number<double>() == Approx(0.25));
  CHECK(full.at("seconds_of").at("end_to_end").at("mean").to_number<double>() == Approx(1.5));
  CHECK(full.at("settings").at("rate").as_string() == "4");
  CHECK(full.at("tenants").at(0).at("tenant").as_string() == "a\"b");
  CHECK(full.at("timeline").at("slices").at(1).at("offered").to_number<int>() == 1);
  CHECK(full.at("phases").at(1).at("served").to_number<int>() == 1);
}
