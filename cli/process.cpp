#include "cli/process.hpp"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <initializer_list>
#include <thread>

namespace troupe {
namespace {
sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  return set;
}
}  // namespace

void prepare_process() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  std::signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_TIMERSLACK, 1);
  // Bodies, documents and answers of this size go back to the system when they go; by itself the allocator would begin
  // to keep them after the first few.
  mallopt(M_MMAP_THRESHOLD, 256 << 10);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

Signals::Signals() {
  sigset_t set = set_of({SIGTERM, SIGINT, SIGHUP, SIGUSR1});
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

int Signals::next(std::optional<std::chrono::milliseconds> limit) {
  sigset_t set = set_of({SIGTERM, SIGINT, SIGHUP, SIGUSR1});
  for (;;) {
    timespec time{};
    if (limit) time = {limit->count() / 1000, limit->count() % 1000 * 1'000'000};
    int signal = limit ? sigtimedwait(&set, nullptr, &time) : sigwaitinfo(&set, nullptr);
    if (signal > 0) return signal;
    if (errno == EAGAIN) return 0;
  }
}

bool Signals::is_end(int signal) { return signal == SIGTERM || signal == SIGINT; }

void Signals::knock() { kill(getpid(), SIGUSR1); }

void Signals::end_at_next() {
  std::thread([set = set_of({SIGTERM, SIGINT})] {
    int again = 0;
    sigwait(&set, &again);
    _exit(1);
  }).detach();
}

}  // namespace troupe
