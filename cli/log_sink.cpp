#include "cli/log_sink.hpp"

#include <cstdio>
#include <memory>

#include "runtime/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace troupe {
namespace {

// One record stays one line, whatever a message quotes from outside.
std::string escaped(std::string_view message) {
  std::string text;
  text.reserve(message.size());
  for (char c : message) {
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      text += code;
    } else {
      text += c;
    }
  }
  return text;
}

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::shared_ptr<spdlog::logger>& the_logger() {
  static std::shared_ptr<spdlog::logger> logger;
  return logger;
}

}  // namespace

void set_log_level(const std::string& level) {
  if (the_logger()) the_logger()->set_level(spdlog::level::from_str(level));
}

void start_log(const std::string& level, bool json) {
  auto logger = std::make_shared<spdlog::logger>("troupe", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern(json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})" : "%Y-%m-%d %H:%M:%S.%e %l %v");
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::info);
  logger->set_error_handler([](const std::string&) {});  // a closed stderr never stops the server
  the_logger() = logger;
  set_log_sink([logger, json](LogLevel at, std::string_view room, std::string_view message) {
    std::string text = escaped(message);
    if (json)
      logger->log(level_of(at), R"("room":"{}","message":"{}")", room, text);
    else
      logger->log(level_of(at), "{}: {}", room, text);
  });
}

}  // namespace troupe
