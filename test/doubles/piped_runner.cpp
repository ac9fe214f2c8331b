#include "test/doubles/piped_runner.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "test/doubles/frame_socket.hpp"

extern char** environ;

namespace troupe::test {
namespace {

Error child_is_gone() { return {ErrorCode::kInternal, "the runner's process ended", "", 0}; }

int start_child(const PipedOptions& options, int its_socket) {
  std::vector<std::string> words = arguments_of(options);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, its_socket, STDIN_FILENO);
  pid_t child = -1;
  int failed = posix_spawn(&child, words.front().c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error("cannot start " + words.front());
  return child;
}

}  // namespace

std::vector<std::string> arguments_of(const PipedOptions& options) {
  const RunnerInfo& info = options.info;
  std::vector<std::string> words = {TROUPE_SCRIPTED_CHILD};
  for (std::uint64_t number :
       {std::uint64_t{info.blocks_total}, std::uint64_t{info.rows_max}, std::uint64_t{info.tokens_max},
        std::uint64_t{info.context_length}, std::uint64_t{info.vocab_size}, std::uint64_t{info.steps_in_flight},
        std::uint64_t{options.rule.end_every}, options.fault_step, static_cast<std::uint64_t>(options.fault),
        std::uint64_t{info.embedding_size}}) {
    words.push_back(std::to_string(number));
  }
  return words;
}

PipedOptions options_of(int argc, char** argv) {
  auto number = [&](int i) { return i < argc ? std::strtoul(argv[i], nullptr, 10) : 0UL; };
  PipedOptions options;
  options.info.blocks_total = static_cast<std::uint32_t>(number(1));
  options.info.rows_max = static_cast<std::uint32_t>(number(2));
  options.info.tokens_max = static_cast<std::uint32_t>(number(3));
  options.info.context_length = static_cast<std::uint32_t>(number(4));
  options.info.vocab_size = static_cast<std::uint32_t>(number(5));
  options.info.steps_in_flight = static_cast<std::uint32_t>(number(6));
  options.rule.end_every = static_cast<std::uint32_t>(number(7));
  options.fault_step = number(8);
  options.fault = static_cast<ScriptedFault>(number(9));
  options.info.embedding_size = static_cast<std::uint32_t>(number(10));
  return options;
}

PipedRunner::PipedRunner(PipedOptions options) : options_(std::move(options)) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("no socket pair");
  socket_ = ends[0];
  try {
    child_ = start_child(options_, ends[1]);
  } catch (...) {
    close(ends[0]);
    close(ends[1]);
    throw;
  }
  close(ends[1]);
  reader_ = std::thread([this] { read(); });
}

PipedRunner::~PipedRunner() {
  shutdown(socket_, SHUT_RDWR);
  kill(child_, SIGKILL);  // it may be stalled
  reader_.join();
  waitpid(child_, nullptr, 0);
  close(socket_);
}

void PipedRunner::submit(std::shared_ptr<const StepPlan> plan, Done done) {
  {
    std::lock_guard lock(mutex_);
    if (!is_broken_) {
      outstanding_.push_back(std::move(done));
      done = nullptr;
    }
  }
  if (done) return done(child_is_gone());
  write_frame(socket_, encode(*plan));  // a failure is the reader's to see
}

void PipedRunner::read() {
  while (auto bytes = read_frame(socket_)) {
    Result<StepResult> result = decode_step_result(*bytes);
    Done done;
    {
      std::lock_guard lock(mutex_);
      if (outstanding_.empty()) break;
      done = std::move(outstanding_.front());
      outstanding_.pop_front();
    }
    done(result);
  }
  fail_all();
}

void PipedRunner::fail_all() {
  std::deque<Done> lost;
  {
    std::lock_guard lock(mutex_);
    is_broken_ = true;
    lost.swap(outstanding_);
  }
  for (const Done& done : lost) done(child_is_gone());
}

}  // namespace troupe::test
