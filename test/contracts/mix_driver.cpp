#include "test/contracts/mix_driver.hpp"

#include <algorithm>

#include "test/model/step_driver.hpp"

namespace troupe::test {
namespace {

// A sequence on its way.
struct Running {
  const TestSequence* request;
  std::vector<TokenId> tokens;  // prompt and output
  std::vector<std::uint32_t> blocks;
  std::uint32_t computed = 0;         // positions whose K/V is in the blocks
  std::uint64_t sampled_in_step = 0;  // the step that drew the last token

  explicit Running(const TestSequence& sequence) : request(&sequence), tokens(sequence.prompt) {}
  std::size_t emitted() const { return tokens.size() - request->prompt.size(); }
  bool is_done() const { return emitted() == request->output_count; }
};

std::vector<TokenHistory> history_of(const std::vector<TokenId>& prompt, std::span<const TokenId> output) {
  std::map<TokenId, TokenHistory> seen;
  for (TokenId token : prompt) seen[token].in_prompt = 1;
  for (TokenId token : output) ++seen[token].output_count;
  std::vector<TokenHistory> history;
  for (auto& [token, entry] : seen) {
    entry.token = token;
    history.push_back(entry);
  }
  return history;
}

// The row's sampling for the next token; `known` output tokens are in the history.
std::uint32_t add_sampling(StepPlan& plan, const TestSequence& sequence, std::span<const TokenId> output,
                           std::size_t known) {
  RowSampling how = sequence.how;
  how.position = static_cast<std::uint32_t>(output.size());
  if (has_penalties(how)) {
    std::vector<TokenHistory> history = history_of(sequence.prompt, output.first(known));
    how.history = {static_cast<std::uint32_t>(plan.history.size()), static_cast<std::uint32_t>(history.size())};
    plan.history.insert(plan.history.end(), history.begin(), history.end());
  }
  plan.sampling.push_back(how);
  return static_cast<std::uint32_t>(plan.sampling.size() - 1);
}

std::shared_ptr<StepPlan> new_plan(std::uint64_t step) {
  auto plan = std::make_shared<StepPlan>();
  plan->step = step;
  plan->flags = kHashLogits;
  return plan;
}

// The blocks of the pool, counted by their users.
class Pool {
 public:
  Pool(std::uint32_t blocks, std::mt19937_64& random) : users_(blocks) {
    for (std::uint32_t i = 0; i < blocks; ++i) free_.push_back(i);
    std::shuffle(free_.begin(), free_.end(), random);
  }
  std::size_t free() const { return free_.size(); }
  std::uint32_t take() {
    std::uint32_t block = free_.back();
    free_.pop_back();
    users_[block] = 1;
    return block;
  }
  std::uint32_t share(std::uint32_t block) { return ++users_[block], block; }
  void release(std::uint32_t block) {
    if (--users_[block] == 0) free_.insert(free_.begin() + static_cast<std::ptrdiff_t>(free_.size() / 2), block);
  }

 private:
  std::vector<std::uint32_t> users_;
  std::vector<std::uint32_t> free_;
};

class Mixer {
 public:
  Mixer(const MakeRunner& make_runner, const std::vector<TestSequence>& sequences, const Record& record,
        std::uint64_t seed)
      : make_runner_(make_runner),
        record_(record),
        random_(seed),
        runner_(make_runner()),
        pool_(runner_->info().blocks_total, random_) {
    for (const TestSequence& sequence : sequences) sequences_.emplace_back(sequence);
    chunk_max_ = 1 + below(40);
    at_once_max_ = 1 + below(runner_->info().rows_max);
  }

  Comparison run() {
    while (std::any_of(sequences_.begin(), sequences_.end(), [](const Running& s) { return !s.is_done(); })) {
      if (below(60) == 0) restart();
      if (below(12) == 0) preempt(sequences_[below(sequences_.size())]);
      step();
    }
    return comparison_;
  }

 private:
  std::uint32_t below(std::size_t bound) { return static_cast<std::uint32_t>(random_() % bound); }

  void restart() {
    runner_ = make_runner_();
    for (Running& sequence : sequences_) drop_blocks(sequence, 0);
    ++comparison_.restarts;
  }

  void drop_blocks(Running& sequence, std::size_t keep) {
    while (sequence.blocks.size() > keep) {
      pool_.release(sequence.blocks.back());
      sequence.blocks.pop_back();
    }
    sequence.computed = std::min(sequence.computed, static_cast<std::uint32_t>(keep) * kBlockSize);
    sequence.sampled_in_step = 0;
  }

  // Loses all blocks, or all but some of the first ones.
  void preempt(Running& sequence) {
    if (sequence.computed == 0) return;
    drop_blocks(sequence, below(2) == 0 ? 0 : below(sequence.blocks.size() + 1));
    ++comparison_.preemptions;
  }

  // Takes full blocks of the same tokens from another sequence.
  void share_prefix(Running& sequence) {
    for (Running& other : sequences_) {
      if (&other == &sequence || !sequence.blocks.empty()) continue;
      std::size_t limit = std::min<std::size_t>(other.computed, sequence.tokens.size() - 1) / kBlockSize;
      for (std::size_t block = 0; block < limit; ++block) {
        auto begin = static_cast<std::ptrdiff_t>(block * kBlockSize), end = begin + kBlockSize;
        if (!std::equal(sequence.tokens.begin() + begin, sequence.tokens.begin() + end, other.tokens.begin() + begin))
          break;
        sequence.blocks.push_back(pool_.share(other.blocks[block]));
        sequence.computed += kBlockSize;
        ++comparison_.shared_blocks;
      }
    }
  }

  // Adds a chunk of the sequence to the plan when tokens and blocks allow it.
  bool add_chunk(StepPlan& plan, Running& sequence, std::uint32_t room) {
    if (sequence.computed == 0 && below(2) == 0) share_prefix(sequence);
    std::uint32_t left = static_cast<std::uint32_t>(sequence.tokens.size()) - sequence.computed;
    std::uint32_t count = std::min({left, 1 + below(chunk_max_), room});
    std::size_t blocks = (sequence.computed + count + kBlockSize - 1) / kBlockSize;
    if (blocks > sequence.blocks.size() + pool_.free()) return false;
    while (sequence.blocks.size() < blocks) sequence.blocks.push_back(pool_.take());

    StepRow row;
    row.sequence = sequence.request->id;
    row.position = sequence.computed;
    row.tokens = {static_cast<std::uint32_t>(plan.tokens.size()), count};
    row.blocks = {static_cast<std::uint32_t>(plan.blocks.size()), static_cast<std::uint32_t>(blocks)};
    plan.blocks.insert(plan.blocks.end(), sequence.blocks.begin(), sequence.blocks.end());
    auto begin = sequence.tokens.begin() + sequence.computed;
    plan.tokens.insert(plan.tokens.end(), begin, begin + count);
    bool is_end = count == left;
    std::span<const TokenId> output = std::span(sequence.tokens).subspan(sequence.request->prompt.size());
    bool hand_over = is_end && count == 1 && sequence.sampled_in_step != 0 &&
                     sequence.sampled_in_step + 1 == plan.step && below(2) == 0;
    if (hand_over) {
      plan.tokens.back() = -1;
      row.from_previous = 1;
      ++comparison_.handed_over;
    }
    if (is_end)
      row.sampling = add_sampling(plan, *sequence.request, output, output.size() - (hand_over ? 1 : 0));
    else if (below(2) == 0)
      row.sampling = static_cast<std::uint32_t>(plan.sampling.size()),
      plan.sampling.emplace_back();  // for its logits only
    plan.rows.push_back(row);
    return true;
  }

  void step() {
    auto plan = new_plan(++step_);
    std::vector<Running*> order;
    for (Running& sequence : sequences_)
      if (!sequence.is_done()) order.push_back(&sequence);
    std::shuffle(order.begin(), order.end(), random_);
    order.resize(1 + below(std::min<std::size_t>(order.size(), at_once_max_)));
    std::vector<Running*> rows;
    for (Running* sequence : order) {
      std::uint32_t room = runner_->info().tokens_max - static_cast<std::uint32_t>(plan->tokens.size());
      if (room > 0 && add_chunk(*plan, *sequence, room)) rows.push_back(sequence);
    }
    if (rows.empty()) return preempt(sequences_[below(sequences_.size())]);  // the pool is full
    StepResult result = run_plan(*runner_, plan);
    for (std::size_t i = 0; i < rows.size(); ++i) apply(*plan, plan->rows[i], result.rows[i], *rows[i]);
  }

  void apply(const StepPlan& plan, const StepRow& row, const RowResult& result, Running& sequence) {
    sequence.computed += row.tokens.count;
    if (row.sampling == kNoIndex) return;
    const SequenceRecord& expected = record_.at(sequence.request->id);
    ++comparison_.rows;
    comparison_.rows_differing += result.logits_hash != expected.hashes.at(sequence.computed - 1);
    if (sequence.computed < sequence.tokens.size()) return;  // a middle of the prompt
    comparison_.tokens_differing += result.token != expected.output[sequence.emitted()];
    sequence.tokens.push_back(result.token);
    sequence.sampled_in_step = plan.step;
  }

  const MakeRunner& make_runner_;
  const Record& record_;
  std::mt19937_64 random_;
  std::unique_ptr<StepRunner> runner_;
  Pool pool_;
  std::vector<Running> sequences_;
  std::uint32_t chunk_max_ = 1, at_once_max_ = 1;
  std::uint64_t step_ = 0;
  Comparison comparison_;
};

// A row of `tokens` at `position` that draws the next token.
RowResult run_row(StepRunner& runner, std::uint64_t step, const TestSequence& sequence,
                  const std::vector<TokenId>& tokens, std::uint32_t position, std::span<const TokenId> output) {
  auto plan = new_plan(step);
  RowSampling placeholder;
  add_row(*plan, sequence.id, position, tokens, 0, &placeholder);
  plan->sampling.clear();
  add_sampling(*plan, sequence, output, output.size());
  return run_plan(runner, plan).rows[0];
}

}  // namespace

Record record_alone(const MakeRunner& make_runner, const std::vector<TestSequence>& sequences) {
  Record record;
  auto runner = make_runner();
  std::uint64_t step = 0;
  for (const TestSequence& sequence : sequences) {
    SequenceRecord& entry = record[sequence.id];
    std::vector<TokenId> tokens = sequence.prompt;
    for (std::uint32_t position = 0; entry.output.size() < sequence.output_count; ++position) {
      RowResult row = run_row(*runner, ++step, sequence, {tokens[position]}, position, entry.output);
      entry.hashes[position] = row.logits_hash;
      if (position + 1 < tokens.size()) continue;
      entry.output.push_back(row.token);
      tokens.push_back(row.token);
    }
  }
  return record;
}

SequenceRecord record_rest(StepRunner& runner, const TestSequence& sequence, std::vector<TokenId> emitted) {
  SequenceRecord record;
  record.output = std::move(emitted);
  std::vector<TokenId> tokens = sequence.prompt;
  tokens.insert(tokens.end(), record.output.begin(), record.output.end());
  std::uint32_t position = 0;
  for (std::uint64_t step = 1; record.output.size() < sequence.output_count; ++step) {
    std::uint32_t count = static_cast<std::uint32_t>(tokens.size());
    RowResult row = run_row(runner, step, sequence, tokens, position, record.output);
    position += count;
    record.hashes[position - 1] = row.logits_hash;
    record.output.push_back(row.token);
    tokens = {row.token};
  }
  return record;
}

Comparison run_mix(const MakeRunner& make_runner, const std::vector<TestSequence>& sequences, const Record& record,
                   std::uint64_t seed) {
  return Mixer(make_runner, sequences, record, seed).run();
}

}  // namespace troupe::test
