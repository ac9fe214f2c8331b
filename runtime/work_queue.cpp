#include "runtime/work_queue.hpp"

#include <exception>
#include <utility>

#include "runtime/check.hpp"
#include "runtime/log.hpp"

namespace troupe {
namespace {

// What escapes a job must not take the process along: whoever posted it hears nothing, the log does.
void run_guarded(const std::function<void()>& run) {
  try {
    run();
  } catch (const std::exception& error) {
    log(LogLevel::kError, "runtime", std::string("a job of a work queue threw: ") + error.what());
  } catch (...) {
    log(LogLevel::kError, "runtime", "a job of a work queue threw");
  }
}

}  // namespace

WorkQueue::WorkQueue(std::uint32_t threads, Limits limits, std::function<void(std::uint32_t)> prepare)
    : limits_(limits), prepare_(std::move(prepare)), threads_max_(std::size_t{2} * threads) {
  TROUPE_CHECK(threads > 0, "a work queue without threads never works");
  threads_.reserve(threads_max_);
  for (std::uint32_t i = 0; i < threads; ++i) start_thread();
}

void WorkQueue::start_thread() {
  threads_.emplace_back([this, index = static_cast<std::uint32_t>(threads_.size())] {
    if (prepare_) prepare_(index);
    work();
  });
}

bool WorkQueue::add_thread() {
  std::lock_guard lock(mutex_);
  if (closed_ || threads_.size() == threads_max_) return false;
  start_thread();
  return true;
}

WorkQueue::~WorkQueue() { close(); }

bool WorkQueue::try_post(std::function<void()> job, std::size_t bytes) {
  {
    std::lock_guard lock(mutex_);
    if (closed_ || jobs_.size() >= limits_.jobs_max) return false;
    if (bytes > limits_.bytes_max || bytes_ > limits_.bytes_max - bytes) return false;
    jobs_.push_back({std::move(job), bytes});
    bytes_ += bytes;
  }
  wake_.notify_one();
  return true;
}

void WorkQueue::close() {
  std::deque<Job> dropped;  // destroyed without the lock: a job may own anything
  std::vector<std::thread> threads;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(jobs_);
    threads.swap(threads_);
    for (const Job& job : dropped) bytes_ -= job.bytes;
  }
  wake_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

std::size_t WorkQueue::depth() const {
  std::lock_guard lock(mutex_);
  return jobs_.size();
}

void WorkQueue::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return closed_ || !jobs_.empty(); });
    if (closed_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    run_guarded(job.run);
    job.run = nullptr;  // its text is gone before its bytes are given back
    lock.lock();
    bytes_ -= job.bytes;
  }
}

}  // namespace troupe
