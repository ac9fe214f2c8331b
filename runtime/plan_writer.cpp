#include "runtime/plan_writer.hpp"

#include <algorithm>

namespace troupe {
namespace {

// Appends a range to one of the plan's arrays and says where it went.
template <class To, class From, class Convert>
Slice append(std::vector<To>& to, const From& from, Convert convert) {
  Slice slice{static_cast<std::uint32_t>(to.size()), static_cast<std::uint32_t>(from.size())};
  for (const auto& item : from) to.push_back(convert(item));
  return slice;
}

}  // namespace

void PlanWriter::add(Sequence& sequence, std::uint32_t count) {
  StepRow row;
  row.sequence = sequence.request.id;
  row.position = sequence.planned;
  row.tokens = {static_cast<std::uint32_t>(plan_.tokens.size()), count};
  if (sequence.planned < sequence.tokens.size()) {
    auto first = sequence.tokens.begin() + sequence.planned;
    plan_.tokens.insert(plan_.tokens.end(), first, first + count);
    add_targets(sequence, row);
  } else {  // the one token that the step before, still in flight, samples
    plan_.tokens.push_back(-1);
    row.from_previous = 1;
  }
  sequence.planned += count;
  sequence.last_step = plan_.step;

  row.blocks = {static_cast<std::uint32_t>(plan_.blocks.size()), blocks_for(sequence.planned)};
  plan_.blocks.insert(plan_.blocks.end(), sequence.blocks.begin(), sequence.blocks.begin() + row.blocks.count);
  bool is_end = sequence.left() == 0;
  if (sequence.embeds()) {
    row.kind = RowKind::kEmbed;
    row.pooling = sequence.request.pooling;
    row.sum = sequence.sum;
    row.is_end = is_end ? 1 : 0;
  } else if (is_end && sequence.request.generates()) {
    row.sampling = add_sampling(sequence);
  }
  if (is_end) ++sequence.pending;
  plan_.rows.push_back(row);
}

// Of a chunk that brings anything new: after a preemption its beginning may have been judged before.
void PlanWriter::add_targets(const Sequence& sequence, StepRow& row) {
  std::uint32_t end = std::min(row.position + row.tokens.count, sequence.prompt_size - 1);
  if (sequence.scores_left() == 0 || end <= sequence.scored) return;
  row.targets = {static_cast<std::uint32_t>(plan_.targets.size()), end - row.position};
  row.target_alternatives = static_cast<std::uint32_t>(sequence.request.prompt_logprobs);
  auto first = sequence.tokens.begin() + row.position + 1;
  plan_.targets.insert(plan_.targets.end(), first, first + row.targets.count);
}

std::uint32_t PlanWriter::add_sampling(const Sequence& sequence) {
  const SequenceRequest& request = sequence.request;
  const SamplingParams& params = request.sampling;
  RowSampling row;
  row.temperature = params.temperature;
  row.top_p = params.top_p;
  row.min_p = params.min_p;
  row.typical_p = params.typical_p;
  row.repetition_penalty = params.repetition_penalty;
  row.presence_penalty = params.presence_penalty;
  row.frequency_penalty = params.frequency_penalty;
  row.top_k = params.top_k;
  row.choice = request.choice;
  row.seed = params.seed.value_or(0);
  row.position = sequence.length() - sequence.prompt_size;
  row.logprobs = request.logprobs;

  auto same = [](const auto& item) { return item; };
  row.bias = append(plan_.bias, params.logit_bias, [](const auto& entry) {
    return TokenBias{entry.first, entry.second};
  });
  if (row.position < request.min_tokens) row.banned = append(plan_.banned, request.stop_tokens, same);
  row.history = append(plan_.history, sequence.history, same);
  plan_.sampling.push_back(row);
  return static_cast<std::uint32_t>(plan_.sampling.size() - 1);
}

}  // namespace troupe
