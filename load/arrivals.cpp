#include "load/arrivals.hpp"

#include <utility>

#include "load/spec.hpp"

namespace troupe {
namespace {
constexpr std::uint64_t kStream = 0xA771;  // of the seed's streams
}

Result<ArrivalProcess> parse_arrivals(std::string_view text) {
  if (text == "poisson") return ArrivalProcess::kPoisson;
  if (text == "gamma") return ArrivalProcess::kGamma;
  if (text == "uniform") return ArrivalProcess::kUniform;
  return wrong_flag("--arrivals", text, "poisson, gamma or uniform");
}

Arrivals::Arrivals(ArrivalProcess process, double cv, RateProfile profile, std::uint64_t seed)
    : process_(process), shape_(1.0 / (cv * cv)), profile_(std::move(profile)), random_(seed, kStream) {}

double Arrivals::gap() {
  switch (process_) {
    case ArrivalProcess::kPoisson:
      return random_.exponential();
    case ArrivalProcess::kGamma:
      return random_.gamma(shape_) / shape_;
    case ArrivalProcess::kUniform:
      return 1.0;
  }
  return 1.0;
}

double Arrivals::next_s() { return profile_.time_of(position_ += gap()); }

}  // namespace troupe
