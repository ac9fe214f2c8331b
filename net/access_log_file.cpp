#include "net/access_log_file.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "net/schema/json_writer.hpp"
#include "runtime/log.hpp"

namespace troupe {
namespace {

constexpr std::size_t kKeptBytes = 256U << 10;  // of memory for lines, between batches

// RFC 3339 in UTC, to the millisecond.
std::string time_text(std::chrono::system_clock::time_point at) {
  auto since = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
  std::time_t seconds = static_cast<std::time_t>(since / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  int milliseconds = static_cast<int>(since % 1000);
  for (char digit : {'.', static_cast<char>('0' + milliseconds / 100), static_cast<char>('0' + milliseconds / 10 % 10),
                     static_cast<char>('0' + milliseconds % 10), 'Z'}) {
    text[size++] = digit;
  }
  return {text, size};
}

double milliseconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }

// All of it or false: half a line is worse than none, but a file that takes part of one is full anyway.
bool write_all(int fd, const std::string& text) {
  std::size_t written = 0;
  while (written < text.size()) {
    ssize_t bytes = ::write(fd, text.data() + written, text.size() - written);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return false;
    written += static_cast<std::size_t>(bytes);
  }
  return true;
}

}  // namespace

void append_access_line(std::string& out, const AccessRecord& record) {
  std::string line;  // the writer looks at what stands before: each line by itself
  JsonWriter json(line);
  json.begin_object().field("time", time_text(record.at)).field("request_id", record.request_id);
  json.field("route", record.route).field("tenant", record.tenant).field("choice", record.choice);
  json.field("outcome", record.outcome).field("reason", record.reason);
  if (record.status != 0) json.field("status", record.status);
  json.field("prompt_tokens", record.usage.prompt_tokens).field("cached_tokens", record.usage.cached_tokens);
  json.field("completion_tokens", record.usage.completion_tokens).field("retries", record.retries);
  json.key("ttft_ms");
  record.first_token ? json.value(milliseconds(*record.first_token)) : json.null();
  json.field("total_ms", milliseconds(record.total));
  json.key("stages_ms").begin_object();
  for (std::size_t i = 0; i < kStageCount; ++i) {
    json.field(name_of(static_cast<Stage>(i)), milliseconds(record.stages.stage[i]));
  }
  json.end_object().end_object();
  out.append(line).append("\n");
}

AccessLogFile::Target::~Target() {
  if (fd_ > STDERR_FILENO) ::close(fd_);
}

AccessLogFile::Target::Target(Target&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

AccessLogFile::Target& AccessLogFile::Target::operator=(Target&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

Result<AccessLogFile::Target> AccessLogFile::Target::open(const std::string& path) {
  Target target;
  target.path_ = path;
  if (path.empty()) return target;
  if (path == "-") {
    target.fd_ = STDOUT_FILENO;
    return target;
  }
  // Without waiting: a FIFO nobody reads must not hold the server up.
  target.fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0640);
  if (target.fd_ < 0) {
    return Error{ErrorCode::kConfiguration, "log.access: cannot open \"" + path + "\": " + std::strerror(errno), "", 0};
  }
  return target;
}

bool AccessLogFile::Target::is_replaced() const {
  if (fd_ <= STDERR_FILENO) return false;
  struct stat there {};
  struct stat ours {};
  if (::stat(path_.c_str(), &there) != 0) return true;
  return ::fstat(fd_, &ours) != 0 || there.st_ino != ours.st_ino || there.st_dev != ours.st_dev;
}

AccessLogFile::AccessLogFile(std::shared_ptr<Metrics> metrics)
    : metrics_(std::move(metrics)), writer_([this] { run(); }) {}

AccessLogFile::~AccessLogFile() {
  {
    std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_one();
  writer_.join();
}

void AccessLogFile::ended(AccessRecord record) {
  {
    std::lock_guard lock(mutex_);
    if (!is_on_) return;
    if (queue_.size() >= kQueueMax) return metrics_->access_log_dropped.count();
    queue_.push_back(std::move(record));
    if (queue_.size() > 1) return;  // the writer has been told
  }
  changed_.notify_one();
}

void AccessLogFile::use(Target target) {
  bool is_on = target.fd() >= 0;
  {
    std::lock_guard lock(target_mutex_);  // never both: whoever reports must not wait for a slow disk
    target_ = std::move(target);
  }
  std::lock_guard lock(mutex_);
  is_on_ = is_on;
}

void AccessLogFile::run() {
  pthread_setname_np(pthread_self(), "access-log");
  std::vector<AccessRecord> records;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return is_ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      records.swap(queue_);
    }
    write(records);
    records.clear();
  }
}

void AccessLogFile::write(const std::vector<AccessRecord>& records) {
  std::lock_guard lock(target_mutex_);
  if (target_.is_replaced()) {
    if (auto anew = Target::open(target_.path())) target_ = std::move(*anew);
  }
  if (target_.fd() < 0) return metrics_->access_log_dropped.add(records.size());
  lines_.clear();
  for (const AccessRecord& record : records) append_access_line(lines_, record);
  if (write_all(target_.fd(), lines_)) {
    metrics_->access_log_lines.add(records.size());
  } else {
    metrics_->access_log_dropped.add(records.size());
  }
  if (lines_.capacity() > kKeptBytes) std::string().swap(lines_);
}

}  // namespace troupe
