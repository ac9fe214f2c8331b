#pragma once
// What a reload reaches in a running server, as parts of its transaction. The objects outlive the parts.
#include <optional>

#include "cli/engine.hpp"
#include "conf/reload.hpp"
#include "net/access_log_file.hpp"
#include "net/http/http_server.hpp"

namespace troupe {

HttpTuning http_tuning(const Settings& settings);
ServiceTuning service_tuning(const Settings& settings);

class AccessLogPart final : public ReloadPart {
 public:
  explicit AccessLogPart(AccessLogFile& log) : log_(log) {}
  Status prepare(const Settings& wanted) override;
  void apply(const Settings& wanted) override;
  void forget() override { target_.reset(); }

 private:
  AccessLogFile& log_;
  std::optional<AccessLogFile::Target> target_;
};

class ServerPart final : public ReloadPart {
 public:
  ServerPart(HttpServer& server, Engine& engine) : server_(server), engine_(engine) {}
  Status prepare(const Settings& wanted) override;
  void apply(const Settings& wanted) override;

 private:
  HttpServer& server_;
  Engine& engine_;
};

}  // namespace troupe
