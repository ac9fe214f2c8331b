#include "runtime/log.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>
#include <vector>

using namespace troupe;

TEST_CASE("log hands each record to the sink, and a sink that throws does no harm") {
  std::vector<std::string> lines;
  set_log_sink([&](LogLevel level, std::string_view room, std::string_view message) {
    lines.push_back(std::to_string(static_cast<int>(level)) + " " + std::string(room) + " " + std::string(message));
  });
  log(LogLevel::kInfo, "runtime", "hello");
  log(LogLevel::kError, "net", "bye");
  REQUIRE(lines == std::vector<std::string>{"1 runtime hello", "3 net bye"});

  set_log_sink([](LogLevel, std::string_view, std::string_view) { throw std::runtime_error("disk full"); });
  REQUIRE_NOTHROW(log(LogLevel::kError, "net", "lost"));
  set_log_sink({});
}
