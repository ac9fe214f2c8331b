#pragma once
// Where reloads are asked for and done. Whoever asks over the network only leaves a note; main's thread, which waits
// for signals anyway, carries it out, one at a time.
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "conf/reload.hpp"

namespace troupe {

class ReloadDesk {
 public:
  static constexpr std::size_t kAskedMax = 16;  // notes that wait; beyond it who asks is refused

  using Done = std::function<void(Result<std::string>)>;  // a JSON object of what changed

  // `knock` makes main's thread look. No sources: there is no file, every reload is refused.
  ReloadDesk(Reloader* reloader, std::string file, std::function<void()> knock);
  ~ReloadDesk();  // whoever still waits hears that the server ends
  ReloadDesk(const ReloadDesk&) = delete;
  ReloadDesk& operator=(const ReloadDesk&) = delete;

  void ask(bool dry_run, Done done);  // from any thread

  // ---- main's thread
  void answer_asked();      // everything that was asked for until now
  void reload();            // nobody asked over the network: the outcome goes to the log
  bool file_has_changed();  // since the last look, links followed; also true when it has gone and come back

 private:
  struct Asked {
    bool dry_run;
    Done done;
  };
  Result<std::string> carry_out(bool dry_run);

  Reloader* const reloader_;
  const std::string file_;
  const std::function<void()> knock_;
  std::string seen_;  // what the file looked like
  std::mutex mutex_;
  std::vector<Asked> asked_;
};

std::string reload_object(const Reload& reload);  // {"applied":true,"changes":[...]}

}  // namespace troupe
