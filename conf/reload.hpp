#pragma once
// A reload as a transaction: read and validate everything anew, see what differs, refuse it as a whole when something
// of it needs a restart, prepare every part, and only then apply; what applies cannot fail. So what is in force is
// always one whole configuration, the old one or the new one.
#include <functional>
#include <string>
#include <vector>

#include "conf/load.hpp"

namespace troupe {

struct KnobChange {
  std::string path;      // "server.body_max", "tenant.NAME"
  std::string from, to;  // as TOML; keys are not shown
  bool is_live = false;
};

// Every knob that differs, in the order of the table, then every tenant.
std::vector<KnobChange> changes_between(const Settings& running, const Settings& wanted);

struct Reload {
  std::vector<KnobChange> changes;
  bool is_applied = false;  // false: it was a dry run
};

// What takes over new settings.
class ReloadPart {
 public:
  virtual ~ReloadPart() = default;
  // Does what may fail (opens a file) and changes nothing that anybody sees. Dropped when another part fails.
  virtual Status prepare(const Settings&) { return {}; }
  virtual void apply(const Settings& wanted) = 0;  // after every prepare; cannot fail
  virtual void forget() {}                         // what prepare made is not wanted
};

class Reloader {
 public:
  // `sources`: as at the start; only the file can have changed. The parts outlive the reloader.
  Reloader(ConfigSources sources, Settings running, std::vector<ReloadPart*> parts);

  // An error means that nothing has changed: kConfiguration with everything that is wrong or needs a restart.
  Result<Reload> reload(bool dry_run);

  const Settings& running() const { return running_; }

 private:
  const ConfigSources sources_;
  Settings running_;
  const std::vector<ReloadPart*> parts_;
};

}  // namespace troupe
