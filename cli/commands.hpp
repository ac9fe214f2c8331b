#pragma once
// The subcommands: one file each, found through the table in main.cpp. Exit codes: 0 done, 1 it failed while running,
// 2 what you gave me is wrong.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conf/load.hpp"

namespace CLI {
class App;
}

namespace troupe {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitWrongInput = 2;

// Prints "error: ..." on stderr and returns the exit code that goes with it.
int report(const Error& error);

// `sources`: what `loaded` was read from, to read it again.
int serve(const LoadedSettings& loaded, const ConfigSources& sources);

struct GenerateArguments {
  std::string prompt;
  std::string system;            // a system message; empty: the template's own
  bool raw = false;              // the prompt as it is, without the chat template
  std::uint32_t max_tokens = 0;  // 0: as many as the context allows
  float temperature = 0.0F;
  std::uint64_t seed = 0;
};
int generate(const LoadedSettings& loaded, const GenerateArguments& arguments);

int check(const LoadedSettings& loaded);

struct PlanArguments {
  std::uint32_t sequences = 0;  // 0: none in particular
  std::string memory;           // "4Gi"; empty: what this process may use
};
int plan(const LoadedSettings& loaded, const PlanArguments& arguments);

struct QuantizeArguments {
  std::string from, to;
  std::string type = "Q4_K";
  bool force = false;
};
int quantize(const QuantizeArguments& arguments);

struct BenchArguments {
  std::vector<std::uint32_t> prompts{128, 512, 2048};
  std::vector<std::uint32_t> batches{1, 4, 8, 16, 32, 64};
  std::vector<std::uint32_t> contexts{160, 2048};
  std::uint32_t rounds = 5;  // prompts of a length; eight times as many steps of a batch
  std::string json;          // a file; empty: none
  bool smoke = false;
  std::string model_name, kernels;  // filled in when the model is loaded: names
};
int bench(const LoadedSettings& loaded, BenchArguments arguments);

struct PerplexityArguments {
  std::string text;            // a file
  std::uint32_t window = 512;  // tokens that are predicted from one another
};
int perplexity(const LoadedSettings& loaded, const PerplexityArguments& arguments);

struct ProfileArguments {
  std::uint32_t prompt = 0;  // tokens of a prompt; 0: decoding
  std::uint32_t batch = 1;
  std::uint32_t context = 160;
  std::uint32_t steps = 20;
  std::string trace;  // a file; empty: none
  std::string url;    // of a live server to profile; empty: a model of its own
};
int profile(const LoadedSettings& loaded, const ProfileArguments& arguments);

struct LoadArguments;  // cli/load_flags.hpp
int load(const LoadArguments& arguments);

struct SimulateArguments {
  std::string trace;
  std::string scenario = "mixshift";
  std::string cost = "cpu135";
  std::uint32_t requests = 2000;
  std::uint64_t seed = 1;
  std::uint32_t retries = 0;
  std::vector<std::string> compare;  // "512/32"
  std::string html;
  std::string write_trace;
  std::optional<std::uint64_t> explore;  // the first seed
  std::uint64_t seeds = 1;
  bool is_configured = false;  // a file says what the batcher is; else the machine's own
};
void add_simulate_flags(CLI::App& command, SimulateArguments& arguments);
int simulate_command(const LoadedSettings& loaded, const SimulateArguments& arguments);

struct DoctorArguments {
  std::string url;             // of the metrics; empty: where the settings say
  std::uint32_t window_s = 5;  // between the two looks
};
int doctor(const LoadedSettings& loaded, const DoctorArguments& arguments);

}  // namespace troupe
