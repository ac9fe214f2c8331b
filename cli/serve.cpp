// troupe serve: the engine behind HTTP, WebSocket and a metrics port, until a signal drains it.
#include <csignal>
#include <cstdio>
#include <mutex>

#include "cli/commands.hpp"
#include "cli/engine.hpp"
#include "cli/live_parts.hpp"
#include "cli/log_sink.hpp"
#include "cli/machine_rates.hpp"
#include "cli/process.hpp"
#include "cli/reload_desk.hpp"
#include "net/http/http_server.hpp"
#include "net/metrics_endpoint.hpp"
#include "net/schema/profile_json.hpp"
#include "net/stats_json.hpp"
#include "runtime/log.hpp"
#include "web/page.hpp"

namespace troupe {
namespace {

// Formats on a text worker: the thread whose step was the last has the next one to run. The machine's rates are the
// best of all that were measured, before every profile: steps that run beside take their part of some.
ProfileFunction profile_function(const Engine& engine) {
  struct Rates {
    std::mutex mutex;
    MachineRates best;

    MachineRates measured(std::uint32_t threads) {
      std::lock_guard lock(mutex);
      return best = better_of(best, measure_machine(threads));
    }
  };
  auto rates = std::make_shared<Rates>();
  return [profiler = engine.profiler, workers = engine.text_workers, threads = engine.threads.compute, rates](
             std::uint32_t steps, std::function<void(Result<std::string>)> done) {
    auto busy = [] { return Error{ErrorCode::kQueueFull, "the text workers' queue is full", "", 1}; };
    auto start = [=] {
      MachineRates machine = rates->measured(threads);
      Status started = profiler->start(steps, [=](Result<Profile> profile) {
        if (!profile) return done(profile.error());
        auto whole = std::make_shared<Profile>(std::move(*profile));
        if (!workers->try_post([=] { done(profile_json(*whole, machine)); }, 0)) done(busy());
      });
      if (!started) done(started.error());
    };
    if (!workers->try_post(start, 0)) done(busy());
  };
}

HttpOptions http_options(const Settings& settings, const Engine& engine, AccessLog* access_log, ReloadFunction reload) {
  HttpOptions options;
  options.address = settings.host == "localhost" ? "127.0.0.1" : settings.host;
  options.port = static_cast<std::uint16_t>(settings.port);
  options.io_threads = engine.threads.io;
  static_cast<HttpTuning&>(options) = http_tuning(settings);
  options.version = TROUPE_VERSION;
  options.page = std::string(playground_page());
  options.admin.key = settings.admin_key;
  options.admin.service = engine.service.get();
  options.admin.reload = std::move(reload);
  options.admin.profile = profile_function(engine);
  options.access_log = access_log;
  options.memory = engine.governor;
  options.stats = [metrics = engine.metrics] { return stats_json(*metrics); };
  return options;
}

std::string url_host(const std::string& host) { return host.find(':') == std::string::npos ? host : "[" + host + "]"; }

void print_line(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

constexpr std::chrono::milliseconds kWatchInterval{2'000};

// Carries out reloads until a signal asks for the end.
void serve_until_told(Signals& signals, const Settings& settings, ReloadDesk& desk) {
  std::optional<std::chrono::milliseconds> interval;
  if (settings.reload_watch) interval = kWatchInterval;
  for (;;) {
    int signal = signals.next(interval);
    if (Signals::is_end(signal)) return signals.end_at_next();
    if (signal == SIGHUP) desk.reload();
    desk.answer_asked();
    if (settings.reload_watch && desk.file_has_changed()) desk.reload();
  }
}

// Kubernetes' order: stop accepting, let what runs finish, then end. Returns whether nothing had to be cut short.
bool drain(const Settings& settings, HttpServer& server, Engine& engine) {
  log(LogLevel::kInfo, "serve",
      "draining: " + std::to_string(engine.service->live_requests()) + " requests are running");
  server.stop_accepting();
  engine.profiler->close();
  bool clean = engine.service->drain(std::chrono::steady_clock::now() + std::chrono::milliseconds(settings.drain_ms));
  constexpr std::chrono::milliseconds kLastWrites{2'000};  // for answers that are complete but not yet on the wire
  server.wait_until_idle(kLastWrites);
  server.stop();
  return clean;
}

}  // namespace

int serve(const LoadedSettings& loaded, const ConfigSources& sources) {
  const Settings& settings = loaded.settings;
  prepare_process();
  Signals signals;
  start_log(settings.log_level, settings.log_json);

  EngineParts parts;
  auto access_log = std::make_shared<AccessLogFile>(parts.metrics);
  auto access_target = AccessLogFile::Target::open(settings.access_log);
  if (!access_target) return report(access_target.error());
  access_log->use(std::move(*access_target));
  parts.access_log = access_log;

  auto started = start_engine(settings, parts);
  if (!started) return report(started.error());
  Engine& engine = **started;
  const ModelCard& card = engine.card();
  print_line("model " + card.name + " (" + card.architecture + ", " + card.quantization + "), " + card.device + ", " +
             std::to_string(engine.threads.compute) + " threads, class " + card.numerics_class);
  print_line("memory: " + describe(engine.memory) + "; for clients up to " + mebibytes(engine.governor->limit()));

  std::unique_ptr<MetricsEndpoint> metrics;
  if (settings.metrics_enabled) {
    auto endpoint = MetricsEndpoint::start(
        *engine.metrics,
        {settings.metrics_host, static_cast<std::uint16_t>(settings.metrics_port), 2, {}, settings.metrics_aliases});
    if (!endpoint) return report(endpoint.error());
    metrics = std::move(*endpoint);
    print_line("metrics at http://" + url_host(settings.metrics_host) + ":" + std::to_string(metrics->port()) +
               "/metrics");
  }
  // Filled when the server is there: who asks before that waits for main's thread anyway.
  std::unique_ptr<ReloadDesk> desk;
  ReloadFunction ask = [&desk](bool dry_run, ReloadDesk::Done done) { desk->ask(dry_run, std::move(done)); };
  HttpServer server(http_options(settings, engine, access_log.get(), ask), *engine.service, *engine.catalog,
                    engine.metrics.get());
  AccessLogPart access_log_part(*access_log);
  ServerPart server_part(server, engine);
  Reloader reloader(sources, settings, {&access_log_part, &server_part});
  desk = std::make_unique<ReloadDesk>(&reloader, sources.file.value_or(""), [&signals] { signals.knock(); });
  auto port = server.start();
  if (!port) return report(port.error());
  print_line("serving at http://" + url_host(settings.host) + ":" + std::to_string(*port));

  serve_until_told(signals, settings, *desk);
  bool clean = drain(reloader.running(), server, engine);
  if (!clean)
    log(LogLevel::kWarning, "serve", "some requests were cancelled: they did not finish within server.drain_ms");
  return kExitDone;
}

}  // namespace troupe
