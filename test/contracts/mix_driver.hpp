#pragma once
// A batcher for tests of contract 2 that does on purpose, and at random, what a real one does by need: mixes of prefill
// and decode, any order, any chunk, blocks anywhere in the pool, shared prefixes, preemption and recomputation, tokens
// handed over on the device, a runner that dies. Hashes of logits are compared for every (sequence, position).
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "model/host_engine/host_step_runner.hpp"

namespace troupe::test {

struct TestSequence {
  RequestId id = 0;
  std::vector<TokenId> prompt;
  RowSampling how;  // seed and parameters; position and history are filled in
  std::uint32_t output_count = 8;
};

// What a sequence gives: a hash of the logits after each position, and the tokens drawn.
struct SequenceRecord {
  std::map<std::uint32_t, std::uint64_t> hashes;
  std::vector<TokenId> output;
};
using Record = std::map<RequestId, SequenceRecord>;

using MakeRunner = std::function<std::unique_ptr<StepRunner>()>;

// Each sequence alone, a token a step: every position has a hash.
Record record_alone(const MakeRunner& make_runner, const std::vector<TestSequence>& sequences);

// One sequence from `emitted` on, its prompt and those tokens as one chunk.
SequenceRecord record_rest(StepRunner& runner, const TestSequence& sequence, std::vector<TokenId> emitted);

struct Comparison {
  std::uint64_t rows = 0;            // with logits
  std::uint64_t rows_differing = 0;  // from the record
  std::uint64_t tokens_differing = 0;
  std::uint64_t preemptions = 0, shared_blocks = 0, restarts = 0, handed_over = 0;
};

// All sequences to their end in one random schedule.
Comparison run_mix(const MakeRunner& make_runner, const std::vector<TestSequence>& sequences, const Record& record,
                   std::uint64_t seed);

}  // namespace troupe::test
