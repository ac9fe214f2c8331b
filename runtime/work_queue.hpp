#pragma once
// A bounded queue of jobs and the few threads that run them: tokenizing, templates, everything that is neither a
// step nor a socket. Its own lock; jobs must not block. One of the bridges where a mutex is allowed.
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace troupe {

class WorkQueue {
 public:
  struct Limits {
    std::size_t jobs_max = 1024;
    std::size_t bytes_max = 64U << 20;  // of the texts the jobs hold, as their posters say
  };

  // `prepare` runs first on every thread: name, niceness.
  WorkQueue(std::uint32_t threads, Limits limits, std::function<void(std::uint32_t)> prepare = {});
  ~WorkQueue();  // finishes what runs, drops what waits
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // false when the queue is full or closed: the job is not taken.
  bool try_post(std::function<void()> job, std::size_t bytes);

  // One thread more, in place of one that a job holds and does not give back; at most as many as there were at first.
  // false: there are no more, or the queue is closed.
  bool add_thread();

  void close();  // takes nothing more, joins the threads; idempotent
  std::size_t depth() const;

 private:
  struct Job {
    std::function<void()> run;
    std::size_t bytes;
  };
  void start_thread();  // with the lock, or before anyone else knows the queue
  void work();

  const Limits limits_;
  const std::function<void(std::uint32_t)> prepare_;
  const std::size_t threads_max_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::size_t bytes_ = 0;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace troupe
