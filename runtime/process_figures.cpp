#include "runtime/process_figures.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

namespace troupe {
namespace {

// Field `number` (from 1, as proc(5) counts) of /proc/self/stat. The second one, the name, may hold spaces.
std::optional<double> stat_field(int number) {
  std::ifstream file("/proc/self/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  std::istringstream rest(line.substr(line.rfind(')') + 1));
  std::string word;
  for (int field = 3; field <= number; ++field) {
    if (!(rest >> word)) return std::nullopt;
  }
  return std::strtod(word.c_str(), nullptr);
}

// Unix time at which the machine started.
std::optional<double> boot_time() {
  std::ifstream file("/proc/stat");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("btime ", 0) == 0) return std::strtod(line.c_str() + 6, nullptr);
  }
  return std::nullopt;
}

std::vector<MetricSample> one(double value) { return {MetricSample{{}, value, {}, 0.0}}; }

}  // namespace

std::vector<MetricSample> process_cpu_seconds() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return {};
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return one(seconds(usage.ru_utime) + seconds(usage.ru_stime));
}

std::vector<MetricSample> process_resident_bytes() {
  auto pages = stat_field(24);
  if (!pages) return {};
  return one(*pages * static_cast<double>(sysconf(_SC_PAGESIZE)));
}

std::vector<MetricSample> process_open_fds() {
  std::error_code error;
  std::filesystem::directory_iterator entries("/proc/self/fd", error);
  if (error) return {};
  double count = -1.0;  // the one that lists them
  for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (error) return {};
    ++count;
  }
  return one(count);
}

std::vector<MetricSample> process_start_seconds() {
  auto ticks = stat_field(22);
  auto boot = boot_time();
  if (!ticks || !boot) return {};
  return one(*boot + *ticks / static_cast<double>(sysconf(_SC_CLK_TCK)));
}

}  // namespace troupe
