#include "sim/scenario.hpp"

#include <algorithm>
#include <cmath>

#include "load/random.hpp"

namespace troupe {
namespace {

constexpr Mix kMixed = Mix::kMixed;

std::vector<ScenarioPart> repeated(std::vector<ScenarioPart> parts, int times) {
  std::vector<ScenarioPart> all;
  for (int i = 0; i < times; ++i) all.insert(all.end(), parts.begin(), parts.end());
  return all;
}

std::vector<ScenarioPart> diurnal(int parts) {
  std::vector<ScenarioPart> all;
  all.reserve(static_cast<std::size_t>(parts));
  for (int i = 0; i < parts; ++i) {
    all.push_back({0.6 + 0.45 * std::sin(4 * 3.14159265358979 * i / parts - 1.57), kMixed, 1});
  }
  return all;
}

Scenario make(std::string name, std::vector<ScenarioPart> parts, double cv = 1, double noise = 0.05) {
  Scenario scenario;
  scenario.name = std::move(name);
  scenario.parts = std::move(parts);
  scenario.cv = cv;
  scenario.noise = noise;
  return scenario;
}

std::vector<ScenarioPart> rise_and_fall(Mix mix) { return {{0.3, mix, 1}, {0.95, mix, 1}, {0.3, mix, 1}}; }

std::vector<Scenario> all_scenarios() {
  std::vector<Scenario> all;
  all.push_back(make("poisson_low", {{0.4, kMixed, 1}}));
  all.push_back(make("poisson_high", {{0.85, kMixed, 1}}));
  all.push_back(make("gamma_cv4", {{0.6, kMixed, 1}}, 4));
  all.push_back(make("step", rise_and_fall(kMixed)));
  all.push_back(make("diurnal", diurnal(60)));
  all.push_back(
      make("onoff", repeated({{1.7, kMixed, 1}, {0.25, kMixed, 1}, {0.25, kMixed, 1}, {0.25, kMixed, 1}}, 15)));
  all.push_back(make("chat", rise_and_fall(Mix::kChat)));
  all.push_back(make("documents", rise_and_fall(Mix::kDocuments)));
  all.push_back(make("short", rise_and_fall(Mix::kShort)));
  all.push_back(make("long_answers", rise_and_fall(Mix::kLongAnswers)));
  all.push_back(
      make("mixshift", repeated({{0.75, Mix::kChat, 1}, {0.75, Mix::kDocuments, 1}, {0.75, Mix::kShort, 1}}, 2)));
  all.push_back(make("day",
                     {{0.3, kMixed, 1},
                      {0.95, Mix::kChat, 1},
                      {0.8, Mix::kDocuments, 1},
                      {0.45, kMixed, 2},
                      {0.9, Mix::kShort, 1},
                      {0.8, Mix::kLongAnswers, 1},
                      {2.0, kMixed, 1},
                      {0.4, kMixed, 1}},
                     1.5, 0.10));
  all.push_back(make("over2", {{2.0, kMixed, 1}}));
  all.push_back(make("over5", {{5.0, kMixed, 1}}));
  all.push_back(
      make("spike3", {{0.5, kMixed, 1}, {0.5, kMixed, 1}, {3.0, kMixed, 1}, {0.5, kMixed, 1}, {0.5, kMixed, 1}}));
  all.push_back(make("throttle", {{0.45, kMixed, 1}, {0.45, kMixed, 2}, {0.45, kMixed, 1}}));
  all.push_back(make("noise20", rise_and_fall(kMixed), 1, 0.20));
  Scenario neighbour = make("neighbour", {{0.6, kMixed, 1}}, 1, 0.10);
  neighbour.stalls = 0.004;
  all.push_back(neighbour);
  Scenario fan = make("fanlow", {{0.25, Mix::kTiny, 1}});
  fan.burst = 6, fan.burst_ms = 2;
  all.push_back(fan);
  Scenario tenants = make("tenants", {{1.3, kMixed, 1}});
  tenants.quiet_share = 0.01;
  all.push_back(tenants);
  return all;
}

struct Lengths {
  std::uint32_t prompt, output;
};

Lengths draw(SeededRandom& random, Mix mix, double scale) {
  auto log_normal = [&](double median, double sigma, double low, double high) {
    return static_cast<std::uint32_t>(std::clamp(median * std::exp(sigma * random.normal()), low, high));
  };
  switch (mix) {
    case Mix::kMixed: {
      double u = random.uniform();
      return draw(random, u < 0.60 ? Mix::kChat : u < 0.75 ? Mix::kDocuments : Mix::kShort, scale);
    }
    case Mix::kChat:
      return {log_normal(150, 0.8, 8, 1000), log_normal(110, 0.7, 4, 500)};
    case Mix::kDocuments:
      return {static_cast<std::uint32_t>((1000 + 3000 * random.uniform()) * scale), log_normal(100, 0.5, 8, 300)};
    case Mix::kShort:
      return {log_normal(90, 0.6, 8, 500), static_cast<std::uint32_t>(1 + random.below(6))};
    case Mix::kTiny:
      return {log_normal(24, 0.4, 4, 80), 1};
    case Mix::kLongAnswers:
      return {log_normal(60, 0.6, 8, 300), log_normal(400, 0.5, 50, 1500)};
  }
  return {1, 1};
}

// Requests a second that saturate a plain engine, relative to the mixed ones: estimates from the lengths, which only
// set what load 1.0 means for a mix.
double capacity_of(Mix mix) {
  switch (mix) {
    case Mix::kMixed:
      return 1.0;
    case Mix::kChat:
      return 1.2;
    case Mix::kDocuments:
      return 0.45;
    case Mix::kShort:
      return 5.0;
    case Mix::kTiny:
      return 20.0;
    case Mix::kLongAnswers:
      return 0.55;
  }
  return 1.0;
}

}  // namespace

double Scenario::slowness(double position) const {
  auto part = static_cast<std::size_t>(std::clamp(position, 0.0, 1.0) * static_cast<double>(parts.size()));
  return parts[std::min(part, parts.size() - 1)].slowness;
}

std::span<const Scenario> scenarios() {
  static const std::vector<Scenario> all = all_scenarios();
  return all;
}

const Scenario* find_scenario(std::string_view name) {
  for (const Scenario& scenario : scenarios()) {
    if (scenario.name == name) return &scenario;
  }
  return nullptr;
}

Trace make_trace(const Scenario& scenario, const StepCost& cost, std::uint32_t count, std::uint64_t seed) {
  SeededRandom random(seed);
  double parts = static_cast<double>(scenario.parts.size()), mean_rate = 0;
  for (const ScenarioPart& part : scenario.parts) {
    mean_rate += part.load * capacity_of(part.mix) * cost.capacity_per_s / parts;
  }
  double part_s = count / mean_rate / parts;
  double shape = 1 / (scenario.cv * scenario.cv);
  double need = random.gamma(shape) / shape * scenario.burst;  // requests until the next arrival
  Trace trace;
  trace.tenants = {"", "quiet"};
  for (std::size_t i = 0; i < scenario.parts.size(); ++i) {
    const ScenarioPart& part = scenario.parts[i];
    double rate = part.load * capacity_of(part.mix) * cost.capacity_per_s, at = 0;
    while (at + need / rate < part_s) {
      at += need / rate;
      for (std::uint32_t b = 0; b < scenario.burst; ++b) {
        TraceRow row;
        row.arrival_s =
            static_cast<double>(i) * part_s + at + (b == 0 ? 0 : random.uniform() * scenario.burst_ms / 1000);
        bool is_quiet = random.uniform() < scenario.quiet_share;
        Mix mix = is_quiet ? Mix::kChat : scenario.quiet_share > 0 ? Mix::kDocuments : part.mix;
        Lengths lengths = draw(random, mix, cost.prompt_scale);
        row.prompt_tokens = lengths.prompt, row.output_tokens = lengths.output;
        row.tenant = is_quiet ? 1 : 0;
        trace.rows.push_back(row);
      }
      need = random.gamma(shape) / shape * scenario.burst;
    }
    need -= (part_s - at) * rate;
  }
  std::stable_sort(trace.rows.begin(), trace.rows.end(),
                   [](const TraceRow& a, const TraceRow& b) { return a.arrival_s < b.arrival_s; });
  return trace;
}

}  // namespace troupe
