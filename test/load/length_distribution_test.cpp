#include <catch2/catch.hpp>
#include <cmath>

#include "load/length_distribution.hpp"

using namespace troupe;
using Of = LengthDistribution::Of;

namespace {

struct Drawn {
  double mean = 0, cv = 0;
  std::uint32_t min = ~0U, max = 0;
};

Drawn draw(const char* text, Of of = Of::kPrompt, int count = 50'000) {
  LengthDistribution lengths = *LengthDistribution::parse(of, text);
  SeededRandom random(11);
  Drawn drawn;
  double sum = 0, squares = 0;
  for (int i = 0; i < count; ++i) {
    std::uint32_t n = lengths.draw(random);
    sum += n;
    squares += static_cast<double>(n) * n;
    drawn.min = std::min(drawn.min, n);
    drawn.max = std::max(drawn.max, n);
  }
  drawn.mean = sum / count;
  drawn.cv = std::sqrt(squares / count - drawn.mean * drawn.mean) / drawn.mean;
  return drawn;
}

}  // namespace

TEST_CASE("R202 lengths follow the distribution they are asked for") {
  Drawn fixed = draw("fixed:128");
  CHECK(fixed.min == 128);
  CHECK(fixed.max == 128);
  Drawn uniform = draw("uniform:10,20");
  CHECK(uniform.min == 10);
  CHECK(uniform.max == 20);
  CHECK(uniform.mean == Approx(15.0).epsilon(0.01));
  Drawn log_normal = draw("lognormal:200,0.5");
  CHECK(log_normal.mean == Approx(200.0).epsilon(0.02));
  CHECK(log_normal.cv == Approx(0.5).epsilon(0.05));
  CHECK(draw("lognormal:200,0").max == 200);
  Drawn prompts = draw("sharegpt");
  CHECK(prompts.min >= 4);
  CHECK(prompts.max == 1024);
  CHECK(prompts.mean < 161.0);  // what is beyond 1024 is cut
  CHECK(prompts.mean > 130.0);
  CHECK(draw("sharegpt", Of::kOutput).mean > 250.0);
}

TEST_CASE("lengths that make no sense are refused by name") {
  for (const char* text : {"", "fixed", "fixed:", "fixed:0", "fixed:1.5", "fixed:1,2", "fixed:1048577", "uniform:5",
                           "uniform:9,8", "uniform:0,8", "lognormal:0.5,1", "lognormal:10", "lognormal:10,-1",
                           "lognormal:10,101", "sharegpt:1", "zipf:1"}) {
    INFO(text);
    auto parsed = LengthDistribution::parse(Of::kOutput, text);
    REQUIRE(!parsed.ok());
    CHECK(parsed.error().message.find("--output-tokens is \"" + std::string(text) + "\"") == 0);
  }
}
