#pragma once
// The subcommands: one file each, found through the table in main.cpp. Exit codes: 0 done, 1 it failed while running,
// 2 what you gave me is wrong.
#include <cstdint>
#include <string>

#include "conf/load.hpp"

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

struct DoctorArguments {
  std::string url;             // of the metrics; empty: where the settings say
  std::uint32_t window_s = 5;  // between the two looks
};
int doctor(const LoadedSettings& loaded, const DoctorArguments& arguments);

}  // namespace troupe
