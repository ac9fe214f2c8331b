#pragma once
// The results of one trace under several settings, side by side.
#include <span>
#include <string>

#include "sim/simulation.hpp"

namespace troupe {

struct SimulatedSetting {
  std::string name;  // "auto", "512/32"
  SimulationResult result;
};

std::string simulation_text(std::span<const SimulatedSetting> settings);
// One file with the table and the distributions as pictures; nothing from a network.
std::string simulation_html(const std::string& title, std::span<const SimulatedSetting> settings);

}  // namespace troupe
