#pragma once
// The access log as JSON lines, written by a thread of its own. Whoever reports never waits: a bounded queue lies in
// between, and what does not fit or cannot be written is counted as dropped. The file may be renamed or removed while
// it is written (logrotate): before each batch of lines the path is looked at, and opened anew when it is another file.
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/doors/access_log.hpp"
#include "runtime/metrics.hpp"

namespace troupe {

void append_access_line(std::string& out, const AccessRecord& record);  // with its newline

class AccessLogFile final : public AccessLog {
 public:
  static constexpr std::size_t kQueueMax = 8192;  // records, some 500 bytes each

  // Where lines go; opened before it is put to use, so that a bad path is known in time.
  class Target {
   public:
    Target() = default;  // nowhere
    ~Target();
    Target(Target&& other) noexcept;
    Target& operator=(Target&& other) noexcept;

    // kConfiguration when it cannot be opened. "": nowhere; "-": standard output.
    static Result<Target> open(const std::string& path);
    int fd() const { return fd_; }
    bool is_replaced() const;  // another file, or none, stands at the path now
    const std::string& path() const { return path_; }

   private:
    std::string path_;
    int fd_ = -1;
  };

  explicit AccessLogFile(std::shared_ptr<Metrics> metrics);  // writes nowhere yet
  ~AccessLogFile() override;                                 // writes what waits
  AccessLogFile(const AccessLogFile&) = delete;
  AccessLogFile& operator=(const AccessLogFile&) = delete;

  void ended(AccessRecord record) override;
  void use(Target target);  // from now on; what waits goes there too

 private:
  void run();
  void write(const std::vector<AccessRecord>& records);

  const std::shared_ptr<Metrics> metrics_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<AccessRecord> queue_;
  bool is_on_ = false;
  bool is_ending_ = false;

  std::mutex target_mutex_;  // held while lines are written
  Target target_;
  std::string lines_;  // kept for its memory
  std::thread writer_;
};

}  // namespace troupe
