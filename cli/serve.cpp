// troupe serve: the engine behind HTTP, WebSocket and a metrics port, until a signal drains it.
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/engine.hpp"
#include "cli/log_sink.hpp"
#include "cli/process.hpp"
#include "net/http/http_server.hpp"
#include "net/metrics_endpoint.hpp"
#include "net/stats_json.hpp"
#include "runtime/log.hpp"
#include "web/page.hpp"

namespace troupe {
namespace {

HttpOptions http_options(const Settings& settings, const Engine& engine) {
  HttpOptions options;
  options.address = settings.host == "localhost" ? "127.0.0.1" : settings.host;
  options.port = static_cast<std::uint16_t>(settings.port);
  options.io_threads = engine.threads.io;
  options.api_keys = settings.api_keys;
  options.limits.body_bytes_max = settings.body_max.value;
  options.limits.head_timeout = std::chrono::milliseconds(settings.head_timeout_ms);
  options.limits.body_timeout = std::chrono::milliseconds(settings.body_timeout_ms);
  options.limits.keep_alive = std::chrono::milliseconds(settings.keep_alive_ms);
  options.limits.write_stall = std::chrono::milliseconds(settings.write_stall_ms);
  options.limits.sse_keep_alive = std::chrono::milliseconds(settings.sse_keep_alive_ms);
  options.limits.connections_max = settings.connections_max;
  options.cors_origin = settings.cors_origin;
  options.version = TROUPE_VERSION;
  options.guide_compat = settings.guide_compat;
  options.page = std::string(playground_page());
  options.stats = [metrics = engine.metrics] { return stats_json(*metrics); };
  return options;
}

std::string url_host(const std::string& host) { return host.find(':') == std::string::npos ? host : "[" + host + "]"; }

void print_line(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

// Kubernetes' order: stop accepting, let what runs finish, then end. Returns whether nothing had to be cut short.
bool drain(const Settings& settings, HttpServer& server, Engine& engine) {
  log(LogLevel::kInfo, "serve",
      "draining: " + std::to_string(engine.service->live_requests()) + " requests are running");
  server.stop_accepting();
  bool clean = engine.service->drain(std::chrono::steady_clock::now() + std::chrono::milliseconds(settings.drain_ms));
  constexpr std::chrono::milliseconds kLastWrites{2'000};  // for answers that are complete but not yet on the wire
  server.wait_until_idle(kLastWrites);
  server.stop();
  return clean;
}

}  // namespace

int serve(const LoadedSettings& loaded) {
  const Settings& settings = loaded.settings;
  prepare_process();
  Signals signals;
  start_log(settings.log_level, settings.log_json);

  auto started = start_engine(settings);
  if (!started) return report(started.error());
  Engine& engine = **started;
  const ModelCard& card = engine.card();
  print_line("model " + card.name + " (" + card.architecture + ", " + card.quantization + "), " + card.device + ", " +
             std::to_string(engine.threads.compute) + " threads, class " + card.numerics_class);
  print_line("memory: " + describe(engine.memory));

  std::unique_ptr<MetricsEndpoint> metrics;
  if (settings.metrics_enabled) {
    auto endpoint = MetricsEndpoint::start(
        *engine.metrics, {settings.metrics_host, static_cast<std::uint16_t>(settings.metrics_port), 2, {}, settings.metrics_aliases});
    if (!endpoint) return report(endpoint.error());
    metrics = std::move(*endpoint);
    print_line("metrics at http://" + url_host(settings.metrics_host) + ":" + std::to_string(metrics->port()) +
               "/metrics");
  }
  HttpServer server(http_options(settings, engine), *engine.service, *engine.catalog, engine.metrics.get());
  auto port = server.start();
  if (!port) return report(port.error());
  print_line("serving at http://" + url_host(settings.host) + ":" + std::to_string(*port));

  signals.wait();
  bool clean = drain(settings, server, engine);
  if (!clean)
    log(LogLevel::kWarning, "serve", "some requests were cancelled: they did not finish within server.drain_ms");
  return kExitDone;
}

}  // namespace troupe
