#pragma once
// The flags of `troupe load`, as text and numbers; load.cpp makes a run of them.
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace troupe {

struct LoadArguments {
  std::string url = "http://127.0.0.1:8080";
  std::string endpoint = "completions";
  bool no_stream = false;
  std::string model;
  std::string api_key;
  std::vector<std::string> headers;
  double timeout_s = 600;

  std::optional<double> rate;
  std::string profile;
  std::string trace;
  std::optional<std::uint32_t> concurrency;
  std::string arrivals = "poisson";
  double cv = 1.0;
  double think_ms = 0;
  std::optional<double> duration_s;
  std::optional<std::uint64_t> requests;
  double warmup_s = 0;
  double drain_s = 60;
  std::uint32_t in_flight_max = 16'384;
  std::uint32_t retry = 0;

  std::string prompt_tokens = "fixed:128";
  std::string output_tokens = "fixed:64";
  double prefix_share = 0;
  bool ignore_eos = false;
  std::optional<double> temperature;
  std::uint64_t seed = 1;
  std::vector<std::string> tenants;

  std::optional<double> slo_ttft_ms;
  double slo_ttft_ms_per_token = 0;
  std::optional<double> slo_itl_ms;

  std::string json;
  std::string html;
};

void add_load_flags(CLI::App& command, LoadArguments& arguments);

}  // namespace troupe
