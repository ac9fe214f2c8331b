// The process behind PipedRunner: reads plans from the socket that is its standard input, answers each with its
// result, ends when the other side does or when its script says so.
#include <unistd.h>

#include "test/doubles/frame_socket.hpp"
#include "test/doubles/piped_runner.hpp"

int main(int argc, char** argv) {
  using namespace troupe;
  using namespace troupe::test;
  PipedOptions piped = options_of(argc, argv);
  ScriptedOptions options;
  options.info = piped.info;
  options.rule = piped.rule;
  if (piped.fault_step > 0) options.control->fault_at(piped.fault_step, piped.fault);
  ScriptedRunner runner(options);
  while (auto bytes = read_frame(STDIN_FILENO)) {
    Result<StepPlan> plan = decode_step_plan(*bytes);
    if (!plan) return 1;
    Result<StepResult> result = runner.compute(*plan);
    if (!result || !write_frame(STDIN_FILENO, encode(*result))) return 1;
  }
  return 0;
}
