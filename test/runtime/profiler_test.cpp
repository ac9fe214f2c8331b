// R050 to R065, as far as the host goes: what a profile holds, when it ends, and what its table says.
#include "runtime/profiler.hpp"

#include <catch2/catch.hpp>

#include "runtime/profile_table.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

ProfileSpan span_of(const char* track, const char* name, std::chrono::nanoseconds begin, std::chrono::nanoseconds end,
                    std::uint64_t bytes = 0, std::uint64_t operations = 0) {
  ProfileSpan span;
  span.track = track, span.name = name;
  span.begin = std::chrono::steady_clock::time_point(begin), span.end = std::chrono::steady_clock::time_point(end);
  span.bytes = bytes, span.operations = operations;
  return span;
}

}  // namespace

TEST_CASE("a profile gathers the steps that were asked for, and nothing before or after") {
  Profiler profiler;
  int called = 0;
  Profile got;
  profiler.add(span_of("phases", "early", 0ns, 1ns));
  profiler.step_done();
  CHECK_FALSE(profiler.is_on());
  REQUIRE(profiler.start(2, [&](Result<Profile> profile) { ++called, got = std::move(profile).value(); }).ok());
  CHECK(profiler.is_on());
  profiler.add(span_of("phases", "a", 0ns, 1ns));
  profiler.step_done();
  CHECK(called == 0);
  profiler.add(span_of("phases", "b", 1ns, 2ns));
  profiler.step_done();
  CHECK(called == 1);
  CHECK_FALSE(profiler.is_on());
  profiler.add(span_of("phases", "late", 2ns, 3ns));
  profiler.step_done();
  CHECK(called == 1);
  CHECK(got.steps == 2);
  REQUIRE(got.spans.size() == 2);
  CHECK(got.spans[1].name == std::string("b"));
  CHECK(got.end >= got.begin);
}

TEST_CASE("R061: profiles are one at a time, seldom, and of a bounded size") {
  Profiler profiler;
  CHECK(profiler.start(0, {}).error().code == ErrorCode::kInvalidRequest);
  CHECK(profiler.start(Profiler::kStepsMax + 1, {}).error().message == "steps is 201 (1 to 200)");
  Profile got;
  REQUIRE(profiler.start(1, [&](Result<Profile> profile) { got = std::move(profile).value(); }).ok());
  Status second = profiler.start(1, [](Result<Profile>) {});
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == ErrorCode::kRateLimited);
  CHECK(second.error().retry_after_s > 0);
  for (std::size_t i = 0; i < Profiler::kSpansMax + 7; ++i) profiler.add(span_of("phases", "a", 0ns, 1ns));
  profiler.step_done();
  CHECK(got.spans.size() == Profiler::kSpansMax);
  CHECK(got.spans_dropped == 7);
  Status soon = profiler.start(1, [](Result<Profile>) {});
  REQUIRE_FALSE(soon.ok());
  CHECK(soon.error().code == ErrorCode::kRateLimited);
}

TEST_CASE("who waits for a profile is told when the server ends") {
  Profiler profiler;
  std::vector<ErrorCode> told;
  REQUIRE(profiler.start(5, [&](Result<Profile> profile) { told.push_back(profile.error().code); }).ok());
  profiler.close();
  profiler.close();
  CHECK(told == std::vector<ErrorCode>{ErrorCode::kShuttingDown});
  CHECK_FALSE(profiler.is_on());
}

TEST_CASE("a profiled block is a span only while a profile is gathered") {
  Profiler profiler;
  { ProfiledBlock nobody(nullptr, "a", "b"); }
  {
    ProfiledBlock off(&profiler, "a", "b");
    CHECK(off.span() == nullptr);
  }
  Profile got;
  REQUIRE(profiler.start(1, [&](Result<Profile> profile) { got = std::move(profile).value(); }).ok());
  {
    ProfiledBlock on(&profiler, "batcher", "plan");
    REQUIRE(on.span() != nullptr);
    on.span()->tokens = 3;
  }
  profiler.step_done();
  REQUIRE(got.spans.size() == 1);
  CHECK(got.spans[0].tokens == 3);
  CHECK(got.spans[0].track == std::string("batcher"));
  CHECK(got.spans[0].end >= got.spans[0].begin);
}

TEST_CASE("R055: the table has calls, time, share and rates beside the machine's") {
  Profile profile;
  profile.steps = 1;
  profile.spans = {span_of("phases", "down", 0ms, 30ms, 600'000'000, 1'000'000),
                   span_of("phases", "down", 30ms, 60ms, 600'000'000, 1'000'000),
                   span_of("phases", "attention", 60ms, 80ms, 1000, 3'000'000'000),
                   span_of("batcher", "plan", 0ms, 5ms)};
  MachineRates machine{200e9, 50e9, 40e9};
  auto table = profile_table(profile, machine);
  REQUIRE(table.size() == 3);
  CHECK(table[0].name == "down");
  CHECK(table[0].calls == 2);
  CHECK(table[0].seconds == Approx(0.06));
  CHECK(table[0].share == Approx(0.75));
  CHECK(table[0].bytes_per_s() == Approx(20e9));
  CHECK(table[0].of_roofline == Approx(0.5));  // bandwidth decides
  CHECK(table[1].name == "attention");
  CHECK(table[1].operations_per_s() == Approx(150e9));
  CHECK(table[1].of_roofline == Approx(0.75));  // operations decide
  CHECK(table[2].share == Approx(1.0));         // of its own track
  CHECK(table[2].of_roofline == 0.0);
  profile.spans[2].is_float = true;
  CHECK(profile_table(profile, machine)[1].of_roofline == Approx(3.0));  // held against the rate of floats
  std::string text = profile_text(summary_of(profile, machine), 1);
  CHECK_THAT(text, Catch::Contains("down") && Catch::Contains("plan") && !Catch::Contains("attention"));
}
