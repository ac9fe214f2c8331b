// troupe doctor: looks at a running server's metrics twice and names the bottleneck, with evidence and what to turn.
#include <cstdio>
#include <thread>

#include "cli/commands.hpp"
#include "net/client/http_call.hpp"
#include "runtime/doctor.hpp"

namespace troupe {
namespace {

constexpr std::chrono::milliseconds kAnswerLimit{10'000};  // of one look

std::string metrics_url(const Settings& settings) {
  bool is_any = settings.metrics_host == "0.0.0.0" || settings.metrics_host == "::";
  std::string host = is_any ? "127.0.0.1" : settings.metrics_host;
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return "http://" + host + ":" + std::to_string(settings.metrics_port) + "/metrics";
}

Result<Scrape> look(const std::string& url) {
  Result<std::string> text = http_get(url, kAnswerLimit, Scrape::kBytesMax);
  if (!text) return text.error();
  return Scrape::parse(*text);
}

}  // namespace

int doctor(const LoadedSettings& loaded, const DoctorArguments& arguments) {
  std::string url = arguments.url.empty() ? metrics_url(loaded.settings) : arguments.url;
  Result<Scrape> before = look(url);
  if (!before) return report(before.error());
  auto begin = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(arguments.window_s));
  Result<Scrape> after = look(url);
  if (!after) return report(after.error());
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Result<Diagnosis> diagnosis = diagnose(*before, *after, seconds);
  if (!diagnosis) return report(diagnosis.error());
  std::fputs(report_of(*diagnosis).c_str(), stdout);
  return kExitDone;
}

}  // namespace troupe
