// troupe profile: where the time of a model's steps goes, phase by phase; of a model loaded for it, or of a live
// server.
#include <cstdio>
#include <fstream>

#include "cli/bench_driver.hpp"
#include "cli/commands.hpp"
#include "cli/engine.hpp"
#include "cli/machine_rates.hpp"
#include "net/client/http_call.hpp"
#include "net/schema/profile_json.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t kWarmSteps = 2;

// One step of what is to be profiled: a whole prompt, or a token for each sequence.
Result<double> one_step(const ProfileArguments& a, BenchDriver& driver, std::uint32_t step) {
  if (a.prompt > 0) return driver.step(0, 1, 0, a.prompt, true);
  return driver.step(0, a.batch, a.context + step, 1, true);
}

// The table to stdout, and the trace to its file.
int show(const ProfileSummary& summary, const std::string& json, const std::string& trace) {
  std::fputs(profile_text(summary).c_str(), stdout);
  if (trace.empty()) return kExitDone;
  std::ofstream out(trace);
  out << json << "\n";
  if (!out.flush()) return report({ErrorCode::kConfiguration, "cannot write " + trace, "", 0});
  std::printf("trace in %s: open it in chrome://tracing or Perfetto\n", trace.c_str());
  return kExitDone;
}

// The next steps of a server that runs: it answers when they are done.
int profile_server(const Settings& settings, const ProfileArguments& a) {
  constexpr std::chrono::milliseconds kPatience{120'000};
  constexpr std::size_t kBytesMax = std::size_t{64} << 20;
  if (settings.admin_key.empty())
    return report(
        {ErrorCode::kConfiguration, "a live server wants its operator's key: give --server.admin_key", "", 0});
  std::string url = a.url.substr(0, a.url.find_last_not_of('/') + 1) + "/admin/v1/profile";
  std::fprintf(stderr, "waiting for %u steps of %s\n", a.steps, a.url.c_str());
  auto json = http_post(url, "{\"steps\":" + std::to_string(a.steps) + "}", settings.admin_key, kPatience, kBytesMax);
  if (!json) return report(json.error());
  auto summary = parse_profile_json(*json);
  if (!summary) return report(summary.error());
  return show(*summary, *json, a.trace);
}

}  // namespace

int profile(const LoadedSettings& loaded, const ProfileArguments& a) {
  const Settings& settings = loaded.settings;
  if (!a.url.empty()) return profile_server(settings, a);
  if (settings.model.empty())
    return report(
        {ErrorCode::kConfiguration, "no model: give --model FILE, a GGUF file or a Hugging Face folder", "", 0});
  auto kernels = select_kernels_from_environment();
  if (!kernels) return report(kernels.error());
  LoadOptions options;
  std::uint32_t threads = thread_plan(settings).compute;
  options.limits = host_limits(settings, threads);
  options.memory = memory_budget(settings);
  options.kernels = *kernels;
  options.profiler = std::make_shared<Profiler>();
  auto model = load_model(settings.model, options);
  if (!model) return report(model.error());
  auto runner = model->make_runner();
  if (!runner) return kExitFailed;
  std::uint32_t positions = a.prompt > 0 ? a.prompt : a.context + kWarmSteps + a.steps;
  BenchDriver driver(*runner, positions);
  std::uint32_t sequences = a.prompt > 0 ? 1 : a.batch;
  const RunnerInfo& info = runner->info();
  if (positions > info.context_length || a.prompt > info.tokens_max || sequences > info.rows_max ||
      driver.blocks_for(sequences) > info.blocks_total)
    return report({ErrorCode::kConfiguration,
                   std::to_string(sequences) + " sequences of " + std::to_string(positions) +
                       " positions do not fit: the context is " + std::to_string(info.context_length) +
                       ", a step takes " + std::to_string(info.tokens_max) + " tokens (batching.step_tokens_max) of " +
                       std::to_string(info.rows_max) + " sequences (batching.sequences_max), K/V has room for " +
                       std::to_string(info.blocks_total * kBlockSize) + " (kv.memory)",
                   "", 0});

  MachineRates machine = measure_machine(threads);
  if (a.prompt == 0) {
    if (Status touched = driver.touch(a.batch, positions); !touched) return report(touched.error());
  }
  Result<Profile> profile = Profile{};
  for (std::uint32_t step = 0; step < kWarmSteps + a.steps; ++step) {
    if (step == kWarmSteps) {
      Status started = options.profiler->start(a.steps, [&](Result<Profile> whole) { profile = std::move(whole); });
      if (!started) return report(started.error());
    }
    if (auto done = one_step(a, driver, step); !done) return report(done.error());
  }
  machine = better_of(machine, measure_machine(threads));
  std::printf("%s on %s, %u threads: %s\n", model->card.name.c_str(), info.device.c_str(), threads,
              a.prompt > 0 ? ("prompts of " + std::to_string(a.prompt) + " tokens").c_str()
                           : (std::to_string(a.batch) + " sequences at " + std::to_string(a.context)).c_str());
  return show(summary_of(*profile, machine), profile_json(*profile, machine), a.trace);
}

}  // namespace troupe
