#pragma once
// Named loads for simulations: when requests come, how long they are, and what the machine does meanwhile. Positions
// are in [0, 1] of the run. Load 1.0 is what saturates a plain engine with the mixed requests.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "load/trace.hpp"
#include "sim/step_cost.hpp"

namespace troupe {

// What a third of the requests looks like: chat (150 in, 110 out, log-normal), documents (1000 to 4000 in), short (90
// in, 1 to 6 out), tiny (24 in, 1 out), long answers (60 in, 400 out), or 60/15/25 % of the first three.
enum class Mix : std::uint8_t { kMixed, kChat, kDocuments, kShort, kTiny, kLongAnswers };

struct ScenarioPart {
  double load = 1;
  Mix mix = Mix::kMixed;
  double slowness = 1;  // of every step meanwhile
};

struct Scenario {
  std::string name;
  std::vector<ScenarioPart> parts;  // of equal length
  double cv = 1;                    // of the gaps between arrivals (Gamma)
  double noise = 0.05;              // log-normal sigma of a step
  double stalls = 0;                // share of steps that take four times as long
  std::uint32_t burst = 1;          // requests of one arrival
  double burst_ms = 0;              // within which they come
  double quiet_share = 0;           // of the requests, which a second tenant sends: chat beside the others' documents

  double slowness(double position) const;
};

std::span<const Scenario> scenarios();
const Scenario* find_scenario(std::string_view name);

// About `count` requests; the same for the same arguments.
Trace make_trace(const Scenario& scenario, const StepCost& cost, std::uint32_t count, std::uint64_t seed);

}  // namespace troupe
