#pragma once
// The load of one model as the batcher sees it when it plans a step, and as a newcomer finds it.
namespace troupe {

struct LoadView {
  double decoding = 0;       // sequences that sample a token each step
  double context = 0;        // positions those have cached
  double head_computed = 0;  // positions the prompt that goes first has done
  double prompt_tokens = 0;  // prompt positions still to be computed, of running and waiting sequences
  double waiting = 0;        // sequences without a place
  double running = 0;        // sequences with one
  double need_rate = 0;      // prompt positions per ms that keep every first token in time
};

// Who a newcomer would wait for.
struct Ahead {
  double tokens = 0;        // prompt positions that are computed before its own
  double sequences = 0;     // waiting ones that get a place before it
  double class_tokens = 0;  // prompt positions of its own class of length before its own
};

}  // namespace troupe
