// troupe load: requests to any server with OpenAI's API, and a report of what its users would feel.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>

#include "cli/commands.hpp"
#include "cli/load_json.hpp"
#include "cli/load_run.hpp"
#include "cli/process.hpp"
#include "load/report_html.hpp"
#include "load/report_text.hpp"
#include "net/client/http_completion_client.hpp"

namespace troupe {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kSignalCheck{50};

volatile std::sig_atomic_t stop_signals = 0;

// The first signal ends the run, which still reports; the second one the process.
void on_signal(int signal) {
  stop_signals = stop_signals + 1;
  std::signal(signal, SIG_DFL);
}

std::uint64_t descriptor_limit() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<std::uint64_t>(limit.rlim_cur) : 1024;
}

// A line a second over itself on a terminal, a line every ten seconds elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(SteadyTime start)
      : start_(start),
        last_(start),
        is_terminal_(isatty(STDERR_FILENO) != 0),
        every_(is_terminal_ ? milliseconds(1'000) : milliseconds(10'000)) {}
  ~ProgressLine() {
    if (is_terminal_) std::fputs("\r\033[K", stderr);
  }

  void show(SteadyTime now, const RunStatistics& run, std::uint32_t running) {
    if (now < last_ + every_) return;
    std::uint64_t tokens = 0;
    for (const PhaseStatistics& phase : run.phases) tokens += phase.output_tokens;
    auto seconds = [](SteadyTime::duration time) { return std::chrono::duration<double>(time).count(); };
    LoadProgressLine line{seconds(now - start_), running, static_cast<double>(tokens - tokens_) / seconds(now - last_)};
    std::string text = progress_text(run, line);
    std::fprintf(stderr, is_terminal_ ? "\r\033[K%s" : "%s\n", text.c_str());
    std::fflush(stderr);
    last_ = now;
    tokens_ = tokens;
  }

 private:
  const SteadyTime start_;
  SteadyTime last_;
  const bool is_terminal_;
  const milliseconds every_;
  std::uint64_t tokens_ = 0;
};

// Opened before the run, so that a wrong path costs no run.
struct ReportFile {
  std::string path;
  std::ofstream file;

  Status open(const std::string& where) {
    path = where;
    if (path.empty()) return {};
    file.open(path, std::ios::binary | std::ios::trunc);
    if (!file) return Error{ErrorCode::kConfiguration, "cannot write " + path, "", 0};
    return {};
  }
  bool write(const std::string& text) {
    file << text << std::flush;
    if (file) return true;
    std::fprintf(stderr, "error: could not write %s\n", path.c_str());
    return false;
  }
};

void run_load(LoadRun& run, HttpCompletionClient& client, RunStatistics& statistics) {
  SteadyTime start = std::chrono::steady_clock::now();
  LoadDriver driver(std::move(run.plan), *run.workload, client, statistics, start);
  ProgressLine progress(start);
  bool is_stopped = false;
  client.run(driver, [&](SteadyTime now) -> std::optional<SteadyTime> {
    if (stop_signals > 0 && !std::exchange(is_stopped, true)) driver.stop(now);
    progress.show(now, statistics, driver.in_flight());
    auto wake = driver.tick(now);
    return wake ? std::min(*wake, now + kSignalCheck) : wake;
  });
  if (is_stopped) run.description.ending = "it was interrupted";
  if (driver.is_server_gone()) run.description.ending = "the server went away";
}

}  // namespace

int load(const LoadArguments& arguments) {
  prepare_process();
  auto run = plan_load(arguments, descriptor_limit());
  if (!run) return report(run.error());
  ReportFile json;
  ReportFile html;
  if (Status opened = json.open(arguments.json); !opened.ok()) return report(opened.error());
  if (Status opened = html.open(arguments.html); !opened.ok()) return report(opened.error());
  auto client = HttpCompletionClient::create(run->client);
  if (!client) return report(client.error());
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);

  RunStatistics statistics(run->service_level, run->workload->tenant_names());
  run_load(*run, **client, statistics);

  const RunDescription& description = run->description;
  std::fputs(report_text(statistics, description).c_str(), stdout);
  std::fflush(stdout);
  bool is_written = json.path.empty() || json.write(load_json(statistics, description));
  is_written = (html.path.empty() || html.write(report_html(statistics, description))) && is_written;
  bool is_gone = description.ending == "the server went away";
  bool has_failed = is_gone || (statistics.served == 0 && statistics.failed + statistics.refused > 0);
  return is_written && !has_failed ? kExitDone : kExitFailed;
}

}  // namespace troupe
