#include "cli/reload_desk.hpp"

#include <sys/stat.h>

#include <filesystem>

#include "net/schema/json_writer.hpp"
#include "runtime/log.hpp"

namespace troupe {
namespace {

// Where the links lead, and what stands there: a swapped link (as Kubernetes does it) differs, a written file too.
std::string look_of(const std::string& path) {
  std::error_code failed;
  std::string real = std::filesystem::canonical(path, failed).string();
  struct stat status {};
  if (failed || ::stat(real.c_str(), &status) != 0) return "";
  return real + " " + std::to_string(status.st_ino) + " " + std::to_string(status.st_size) + " " +
         std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec);
}

}  // namespace

std::string reload_object(const Reload& reload) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("applied", reload.is_applied).key("changes").begin_array();
  for (const KnobChange& change : reload.changes) {
    json.begin_object().field("setting", change.path).field("from", change.from).field("to", change.to).end_object();
  }
  json.end_array().end_object();
  return out;
}

ReloadDesk::ReloadDesk(Reloader* reloader, std::string file, std::function<void()> knock)
    : reloader_(reloader), file_(std::move(file)), knock_(std::move(knock)), seen_(look_of(file_)) {}

ReloadDesk::~ReloadDesk() {
  for (const Asked& asked : asked_) {
    asked.done(Error{ErrorCode::kShuttingDown, "the server is shutting down", "", 1});
  }
}

void ReloadDesk::ask(bool dry_run, Done done) {
  {
    std::lock_guard lock(mutex_);
    if (asked_.size() < kAskedMax) {
      asked_.push_back({dry_run, std::move(done)});
      done = nullptr;
    }
  }
  if (!done) return knock_();
  done(Error{ErrorCode::kQueueFull, std::to_string(kAskedMax) + " reloads are waiting already", "", 1});
}

void ReloadDesk::answer_asked() {
  std::vector<Asked> asked;
  {
    std::lock_guard lock(mutex_);
    asked.swap(asked_);
  }
  for (const Asked& one : asked) one.done(carry_out(one.dry_run));
}

void ReloadDesk::reload() { static_cast<void>(carry_out(false)); }

Result<std::string> ReloadDesk::carry_out(bool dry_run) {
  if (file_.empty()) {
    Error error{ErrorCode::kUnsupported, "this server was started without --config: there is no file to reload", "", 0};
    log(LogLevel::kWarning, "reload", error.message);
    return error;
  }
  seen_ = look_of(file_);
  Result<Reload> reload = reloader_->reload(dry_run);
  if (!reload) {
    log(LogLevel::kError, "reload", reload.error().message);
    return Error{ErrorCode::kInvalidRequest, reload.error().message, "", 0};
  }
  std::string text = reload_object(*reload);
  if (!dry_run) log(LogLevel::kInfo, "reload", reload->changes.empty() ? "nothing has changed" : text);
  return text;
}

bool ReloadDesk::file_has_changed() {
  if (file_.empty()) return false;
  std::string now = look_of(file_);
  if (now.empty() || now == seen_) return false;  // between two states: the next look sees the new one
  seen_ = std::move(now);
  return true;
}

}  // namespace troupe
