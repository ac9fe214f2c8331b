#include "gpu/host/rope_table.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <map>
#include <numbers>
#include <vector>

namespace troupe {
namespace {

RopeParameters parameters_of(std::uint32_t positions, std::uint32_t dims, double base) {
  RopeParameters parameters;
  parameters.positions = positions;
  parameters.dims = dims;
  parameters.base = base;
  return parameters;
}

// The largest difference to the C library's double functions.
double error_of(const RopeTable& table, double base, std::uint32_t step) {
  double error = 0;
  for (std::uint32_t position = 0; position < table.positions(); position += step) {
    for (std::uint32_t i = 0; i < table.dims() / 2; ++i) {
      const double angle = position * std::pow(base, -2.0 * i / table.dims());
      error = std::max(error, std::fabs(table.row(position)[i] - std::cos(angle)));
      error = std::max(error, std::fabs(table.row(position)[table.dims() / 2 + i] - std::sin(angle)));
    }
  }
  return error;
}

}  // namespace

TEST_CASE("parameters of a rotary embedding that make no sense are refused by name") {
  const auto message = [](const RopeParameters& parameters) {
    const auto table = RopeTable::make(parameters);
    return table.ok() ? std::string() : table.error().message;
  };
  CHECK(message(parameters_of(16, 63, 1e4)).find("dimension count is 63") != std::string::npos);
  CHECK(message(parameters_of(16, 0, 1e4)).find("dimension count") != std::string::npos);
  CHECK(message(parameters_of(0, 64, 1e4)).find("context length is 0") != std::string::npos);
  CHECK(message(parameters_of(0xFFFFFFFFU, 64, 1e4)).find("context length") != std::string::npos);
  CHECK(message(parameters_of(16, 64, 0.0)).find("base") != std::string::npos);
  CHECK(message(parameters_of(16, 64, std::nan(""))).find("base") != std::string::npos);
  auto parameters = parameters_of(16, 64, 1e4);
  parameters.linear_factor = -1.0;
  CHECK(message(parameters).find("linear factor") != std::string::npos);
  parameters.linear_factor = 1.0;
  const std::vector<double> three(3, 1.0F), zeros(32, 0.0F);
  parameters.divisors = three;
  CHECK(message(parameters).find("3 entries instead of 32") != std::string::npos);
  parameters.divisors = zeros;
  CHECK(message(parameters).find("too small") != std::string::npos);
}

TEST_CASE("the table's bits are those of every other machine") {
  // FNV-1a over the words of 8192 positions, head 64, base 100000: the value an independent program gave on x86-64
  // and on aarch64.
  const auto table = *RopeTable::make(parameters_of(8192, 64, 100000.0));
  std::uint64_t hash = 1469598103934665603ULL;
  for (std::uint32_t position = 0; position < 8192; ++position) {
    for (std::uint32_t i = 0; i < 64; ++i) {
      std::uint32_t word = 0;
      std::memcpy(&word, table.row(position) + i, 4);
      hash = (hash ^ word) * 1099511628211ULL;
    }
  }
  CHECK(hash == 0x6790cba46dd146d3ULL);
}

TEST_CASE("cos and sin are the C library's to half a float's last place and a little") {
  CHECK(error_of(*RopeTable::make(parameters_of(8192, 64, 100000.0)), 100000.0, 7) < 6.1e-8);
  CHECK(error_of(*RopeTable::make(parameters_of(131072, 16, 500000.0)), 500000.0, 997) < 6.1e-8);
  CHECK(error_of(*RopeTable::make(parameters_of(100, 128, 10000.0)), 10000.0, 1) < 6.1e-8);
}

TEST_CASE("divisors, linear scaling and magnitude change frequencies and sizes as they say") {
  auto parameters = parameters_of(64, 4, 100.0);
  const std::vector<double> divisors = {1.0, 8.0};
  parameters.divisors = divisors;
  parameters.linear_factor = 2.0;
  parameters.magnitude = 1.5;
  const auto table = *RopeTable::make(parameters);
  const float* row = table.row(10);
  CHECK(row[0] == Approx(1.5 * std::cos(10.0 / 2.0)).epsilon(1e-6));
  CHECK(row[1] == Approx(1.5 * std::cos(10.0 * 0.1 / 8.0 / 2.0)).epsilon(1e-6));
  CHECK(row[2] == Approx(1.5 * std::sin(10.0 / 2.0)).epsilon(1e-6));
  CHECK(row[3] == Approx(1.5 * std::sin(10.0 * 0.1 / 8.0 / 2.0)).epsilon(1e-6));
  CHECK(table.row(0)[0] == 1.5F);
  CHECK(table.row(0)[2] == 0.0F);
}

TEST_CASE("YaRN's divisors are those of Hugging Face's formula") {
  // By _compute_yarn_parameters written in Python: a head of 128 at base 1e6 stretched 4 times from 32,768 positions,
  // and one of 64 at base 5e5 stretched 8 times from 8,192.
  YarnScaling scaling;
  scaling.factor = 4.0;
  scaling.original_context = 32768;
  auto divisors = yarn_divisors(128, 1e6, scaling);
  REQUIRE(divisors.size() == 64);
  for (const auto& [pair, expected] : std::map<int, double>{{0, 1.0},
                                                            {20, 1.0},
                                                            {23, 1.0},
                                                            {24, 1.0461538461538462},
                                                            {30, 1.4468085106382977},
                                                            {35, 2.125},
                                                            {39, 3.4},
                                                            {40, 4.0},
                                                            {63, 4.0}})
    CHECK(divisors[pair] == Approx(expected).epsilon(1e-12));
  scaling.factor = 8.0;
  scaling.original_context = 8192;
  divisors = yarn_divisors(64, 5e5, scaling);
  for (const auto& [pair, expected] : std::map<int, double>{{0, 1.0},
                                                            {8, 1.0},
                                                            {12, 1.411764705882353},
                                                            {16, 3.130434782608696},
                                                            {17, 4.499999999999999},
                                                            {18, 8.0},
                                                            {31, 8.0}})
    CHECK(divisors[pair] == Approx(expected).epsilon(1e-12));
  CHECK(yarn_magnitude(4.0) == Approx(1.138629436111989).epsilon(1e-12));
  CHECK(yarn_magnitude(8.0) == Approx(1.2079441541679836).epsilon(1e-12));
}

}  // namespace troupe
