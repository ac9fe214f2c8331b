// troupe simulate: what would this setting do? The real batcher on a virtual clock, and the games that look for broken
// contracts.
#include <cinttypes>
#include <cstdio>
#include <fstream>

#include "cli/batching.hpp"
#include "cli/commands.hpp"
#include "load/spec.hpp"
#include "sim/exploration.hpp"
#include "sim/simulation_report.hpp"

#include <CLI/CLI.hpp>

namespace troupe {
namespace {

Error wrong(std::string message) { return {ErrorCode::kConfiguration, std::move(message), "", 0}; }

void print_hash(std::uint64_t hash) { std::printf("schedule hash %016" PRIx64 "\n", hash); }

int explore_seeds(const SimulateArguments& arguments) {
  constexpr std::uint64_t kProgressEvery = 10'000;
  std::uint64_t events = 0;
  for (std::uint64_t i = 0; i < arguments.seeds; ++i) {
    std::uint64_t seed = *arguments.explore + i;
    Exploration one = explore(seed);
    events += one.events;
    if (one.broken) {
      std::string name = std::to_string(seed);
      std::printf("seed %s: %s\nreplay: troupe simulate --explore %s\n", name.c_str(), one.broken->c_str(),
                  name.c_str());
      return kExitFailed;
    }
    if (arguments.seeds == 1) print_hash(one.schedule_hash);
    if ((i + 1) % kProgressEvery == 0)
      std::fprintf(stderr, "%s of %s seeds\n", std::to_string(i + 1).c_str(), std::to_string(arguments.seeds).c_str());
  }
  std::printf("%s seeds, %s events, no contract broken\n", std::to_string(arguments.seeds).c_str(),
              std::to_string(events).c_str());
  return kExitDone;
}

Result<Trace> trace_of(const SimulateArguments& arguments, const StepCost& cost) {
  if (!arguments.trace.empty()) {
    std::ifstream in(arguments.trace);
    if (!in) return wrong("cannot read --trace \"" + arguments.trace + "\"");
    return read_trace(in, arguments.trace);
  }
  const Scenario* scenario = find_scenario(arguments.scenario);
  if (scenario == nullptr) {
    std::string names;
    for (const Scenario& one : scenarios()) names += " " + one.name;
    return wrong("unknown --scenario \"" + arguments.scenario + "\"; there are" + names);
  }
  return make_trace(*scenario, cost, arguments.requests, arguments.seed);
}

// To be played against a server: troupe load --trace FILE.
Status write_trace(const std::string& path, const Trace& trace) {
  std::ofstream out(path);
  out << "arrival_ms,prompt_tokens,output_tokens,tenant\n";
  for (const TraceRow& row : trace.rows) {
    out << row.arrival_s * 1000 << ',' << row.prompt_tokens << ',' << row.output_tokens << ','
        << trace.tenants[row.tenant] << '\n';
  }
  if (!out.flush()) return wrong("cannot write --write-trace \"" + path + "\"");
  return {};
}

// "512/32": a step's prompt positions and sequences, fixed.
Result<BatcherOptions> fixed_setting(const std::string& text, BatcherOptions options, bool guarded) {
  std::size_t slash = text.find('/');
  auto tokens = parse_number(text.substr(0, slash));
  auto sequences = slash == std::string::npos ? std::nullopt : parse_number(text.substr(slash + 1));
  if (!tokens || !sequences || *tokens < 1 || *sequences < 1 || *tokens > 65536 || *sequences > 1024)
    return wrong("--compare \"" + text + "\" is not TOKENS/SEQUENCES, e.g. 512/32");
  options.window.mode = BatchWindowOptions::Mode::kFixed;
  options.window.window_max_ms = 0;
  options.window.prefill_chunk_max = static_cast<std::uint32_t>(*tokens);
  options.limits.sequences_max = static_cast<std::uint32_t>(*sequences);
  options.limits.step_tokens_max = static_cast<std::uint32_t>(*tokens + *sequences);
  if (!guarded) options.slo = {0, 0, 0};  // first come, first served, nobody refused
  return options;
}

}  // namespace

int simulate_command(const LoadedSettings& loaded, const SimulateArguments& arguments) {
  if (arguments.explore) return explore_seeds(arguments);
  const StepCost* cost = find_step_cost(arguments.cost);
  if (cost == nullptr) return report(wrong("unknown --cost \"" + arguments.cost + "\" (cpu135, cpu1b or h100)"));
  auto trace = trace_of(arguments, *cost);
  if (!trace) return report(trace.error());

  if (!arguments.write_trace.empty()) {
    Status written = write_trace(arguments.write_trace, *trace);
    return written ? kExitDone : report(written.error());
  }

  SimulationOptions options;
  options.cost = cost;
  options.machine = find_scenario(arguments.scenario);
  options.seed = arguments.seed;
  options.retries = arguments.retries;
  options.batcher = batcher_options(*cost);
  if (arguments.is_configured) configure(options.batcher, loaded.settings);
  options.slo = options.batcher.slo.promises_first_token() ? options.batcher.slo : cost->slo;
  BatcherOptions configured = options.batcher;
  std::printf("%s; %zu requests in %.0f s; targets: first token %.0f ms + %.2f a prompt token, gap %.0f ms\n",
              cost->description.c_str(), trace->rows.size(), trace->rows.back().arrival_s,
              options.slo.first_token_base_ms(), options.slo.ttft_ms_per_token, options.slo.gap_ms());
  std::vector<SimulatedSetting> settings;
  settings.push_back({arguments.is_configured ? "as configured" : "auto", simulate(*trace, options)});
  for (const std::string& text : arguments.compare) {
    for (bool guarded : {false, true}) {
      auto fixed = fixed_setting(text, configured, guarded);
      if (!fixed) return report(fixed.error());
      options.batcher = *fixed;
      settings.push_back({text + (guarded ? " with admission" : ""), simulate(*trace, options)});
    }
  }
  std::fputs(simulation_text(settings).c_str(), stdout);
  print_hash(settings[0].result.schedule_hash);
  if (arguments.html.empty()) return kExitDone;
  std::ofstream out(arguments.html);
  out << simulation_html(cost->description + ", " + (arguments.trace.empty() ? arguments.scenario : arguments.trace),
                         settings);
  return out.flush() ? kExitDone : report(wrong("cannot write --html \"" + arguments.html + "\""));
}

void add_simulate_flags(CLI::App& command, SimulateArguments& arguments) {
  command.add_option("--trace", arguments.trace, "arrival_ms, prompt_tokens, output_tokens, tenant: CSV or JSON lines");
  command.add_option("--scenario", arguments.scenario, "a named load instead")->capture_default_str();
  command.add_option("--cost", arguments.cost, "what a step costs: cpu135, cpu1b or h100")->capture_default_str();
  command.add_option("--requests", arguments.requests, "of a scenario")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command.add_option("--seed", arguments.seed, "of the scenario and of the machine's noise")->capture_default_str();
  command.add_option("--retry", arguments.retries, "so often a refused request comes back, after its Retry-After")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  command.add_option("--compare", arguments.compare, "fixed settings beside it, TOKENS/SEQUENCES, e.g. 512/32,64/16")
      ->delimiter(',');
  command.add_option("--html", arguments.html, "write a page with the table and pictures");
  command.add_option("--write-trace", arguments.write_trace,
                     "only write the requests to a file, for `troupe load --trace`");
  command.add_option("--explore", arguments.explore, "look for broken contracts from this seed on");
  command.add_option("--seeds", arguments.seeds, "so many seeds")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
  command.footer(
      "examples:\n"
      "  troupe simulate --scenario day --compare 512/32,64/16      a day's load, beside two fixed settings\n"
      "  troupe simulate --trace t.jsonl --config server.toml      what would this file do?\n"
      "  troupe simulate --explore 1 --seeds 100000                look for an interleaving that breaks a contract");
}

}  // namespace troupe
