// What a step that came back, or never will, changes.
#include <algorithm>
#include <string>
#include <utility>

#include "runtime/scheduler_state.hpp"

namespace troupe {
namespace {

SequenceEvent& add_event(std::vector<SequenceEvent>& events, SequenceEvent::Kind kind, RequestId id, SteadyTime now) {
  SequenceEvent& event = events.emplace_back();
  event.kind = kind;
  event.id = id;
  event.at = now;
  return event;
}

}  // namespace

void Scheduler::apply(const StepResult& result, SteadyTime now, std::vector<SequenceEvent>& events) {
  State& s = *state_;
  auto at = std::find_if(s.in_flight.begin(), s.in_flight.end(),
                         [&](const StepInFlight& one) { return one.plan->step == result.step; });
  if (at == s.in_flight.end()) return;
  TROUPE_CHECK(at == s.in_flight.begin(), "results come back in the order of their steps");
  StepInFlight step = std::move(*at);
  s.in_flight.erase(at);

  const std::vector<StepRow>& rows = step.plan->rows;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    bool fits = i < result.rows.size() && result.rows[i].sequence == rows[i].sequence;
    s.apply_row(result, rows[i], fits ? &result.rows[i] : nullptr, now, events);
  }
  s.release_given_up(step);
}

// `result` is null when the executor's answer has no such row.
void Scheduler::State::apply_row(const StepResult& answer, const StepRow& row, const RowResult* result, SteadyTime now,
                                 std::vector<SequenceEvent>& events) {
  std::uint64_t step = answer.step;
  std::uint32_t end = row.position + row.tokens.count;
  bool samples = row.samples();
  bool pools = row.is_end != 0;
  Sequence* sequence = find(row.sequence, step);
  if (sequence == nullptr) {  // dropped, or ended by the step before
    if (samples) ++totals.discarded_tokens_total;
    return;
  }
  bool ends = sequence->ends_with_prompt() && end == sequence->prompt_size;
  if (samples || pools || ends) --sequence->pending;

  RowOutcome expected = samples ? RowOutcome::kSampled : pools ? RowOutcome::kPooled : RowOutcome::kNoToken;
  if (result != nullptr && result->outcome == RowOutcome::kNotFinite) {
    fail(*sequence, ErrorCode::kInternal, "the model computed numbers that are not finite", now, events);
  } else if (result == nullptr || result->outcome != expected || (samples && result->token < 0)) {
    fail(*sequence, ErrorCode::kInternal, "the executor's answer does not fit its plan", now, events);
  } else {
    // Not into blocks that were given up meanwhile.
    if (sequence->is_running && step >= sequence->admitted_step) commit(*sequence, end);
    charge(*sequence, end, samples);
    if (row.targets.count > 0 && !take_scores(*sequence, row, *result, answer, now, events)) return;
    if (ends) finish(*sequence, FinishReason::kLength, now, events);
    if (samples) take_token(*sequence, *result, answer.top, now, events);
    if (pools) take_vector(*sequence, *result, answer.values, now, events);
  }
}

// Output costs a step of its own for each token, so it counts twice as much as a position of a prompt.
void Scheduler::State::charge(Sequence& sequence, std::uint32_t computed, bool sampled) {
  std::uint32_t paid = std::max(sequence.charged, sequence.cached_tokens);
  if (computed > paid) sequence.tenant->serve(computed - paid);
  sequence.charged = std::max(sequence.charged, computed);
  if (sampled) sequence.tenant->serve(1);
}

void Scheduler::State::commit(Sequence& sequence, std::uint32_t computed) {
  sequence.computed = computed;
  if (sequence.is_suspect && computed >= sequence.suspect_until) set_suspect(sequence, false);
  if (!kv.prefix_cache()) return;
  // Every token up to `computed` is known and stays: a row is only planned after tokens that are, or after one
  // whose step came back before this one.
  for (; (sequence.published + 1) * kBlockSize <= computed; ++sequence.published) {
    auto tokens = std::span(sequence.tokens).subspan(std::size_t{sequence.published} * kBlockSize, kBlockSize);
    sequence.hash = KvManager::next_hash(sequence.hash, tokens);
    kv.publish(sequence.blocks[sequence.published], sequence.hash);
  }
}

void Scheduler::State::take_token(Sequence& sequence, const RowResult& result, std::span<const TopToken> top,
                                  SteadyTime now, std::vector<SequenceEvent>& events) {
  if (sequence.stops_at(result.token)) return finish(sequence, FinishReason::kStop, now, events);
  sequence.append(result.token);
  if (!sequence.is_running) waiting.grew(sequence);  // it was preempted meanwhile
  SequenceEvent& event = add_event(events, SequenceEvent::Kind::kToken, sequence.request.id, now);
  event.token = result.token;
  event.logprob = result.logprob;
  if (is_inside(result.top, top.size())) {
    auto alternatives = top.subspan(result.top.begin, result.top.count);
    event.top.assign(alternatives.begin(), alternatives.end());
  }
  if (sequence.output_size() >= sequence.output_max) finish(sequence, FinishReason::kLength, now, events);
}

// Those that are not known yet: a row after a preemption brings some once more. False: the sequence failed.
bool Scheduler::State::take_scores(Sequence& sequence, const StepRow& row, const RowResult& result,
                                   const StepResult& answer, SteadyTime now, std::vector<SequenceEvent>& events) {
  bool fits = result.scores.count == row.targets.count && is_inside(result.scores, answer.scores.size());
  if (!fits || row.position > sequence.scored) {
    fail(sequence, ErrorCode::kInternal, "the executor's answer does not fit its plan", now, events);
    return false;
  }
  std::uint32_t known = sequence.scored - row.position;
  if (known >= row.targets.count) return true;
  SequenceEvent& event = add_event(events, SequenceEvent::Kind::kScored, sequence.request.id, now);
  for (const TokenScore& score : slice_of(answer.scores, result.scores).subspan(known)) {
    PromptScore& made = event.scores.emplace_back();
    made.logprob = score.logprob;
    made.rank = score.rank;
    if (!is_inside(score.top, answer.top.size())) continue;
    auto alternatives = slice_of(answer.top, score.top);
    made.top.assign(alternatives.begin(), alternatives.end());
  }
  sequence.scored += static_cast<std::uint32_t>(event.scores.size());
  return true;
}

void Scheduler::State::take_vector(Sequence& sequence, const RowResult& result, std::span<const float> values,
                                   SteadyTime now, std::vector<SequenceEvent>& events) {
  const Slice& slice = result.vector;
  if (slice.count == 0 || !is_inside(slice, values.size())) {
    return fail(sequence, ErrorCode::kInternal, "the executor's answer does not fit its plan", now, events);
  }
  SequenceEvent& event = add_event(events, SequenceEvent::Kind::kFinished, sequence.request.id, now);
  auto vector = values.subspan(slice.begin, slice.count);
  event.embedding.assign(vector.begin(), vector.end());
  erase(sequence);
}

void Scheduler::executor_lost(SteadyTime now, std::vector<SequenceEvent>& events) {
  State& s = *state_;
  std::vector<Sequence*> hit;  // each once, however many steps it was in
  for (const StepInFlight& step : s.in_flight) {
    for (const StepRow& row : step.plan->rows) {
      Sequence* sequence = s.find(row.sequence, step.plan->step);
      if (sequence == nullptr) continue;
      sequence->suspect_until = row.position + row.tokens.count;
      if (std::find(hit.begin(), hit.end(), sequence) == hit.end()) hit.push_back(sequence);
    }
  }
  std::vector<StepInFlight> lost = std::exchange(s.in_flight, {});
  s.in_flight.reserve(s.limits.steps_in_flight);
  for (StepInFlight& step : lost) s.release_given_up(step);

  while (!s.running.empty()) {
    Sequence& sequence = *s.running.back();
    s.stop_running(sequence);
    s.give_up_blocks(sequence);
    s.start_waiting(sequence);
  }
  s.kv.forget_all_content();
  for (Sequence* sequence : hit) {
    sequence->pending = 0;
    s.set_suspect(*sequence, true);
    if (++sequence->losses <= kRetriesMax) {
      ++s.totals.retries_total;
    } else {
      s.fail(*sequence, ErrorCode::kInternal,
             "the executor died " + std::to_string(sequence->losses) + " times while it computed this request", now,
             events);
    }
  }
}

void Scheduler::State::release_given_up(StepInFlight& step) {
  for (BlockId block : step.to_release) kv.release(block);
  coming_back -= static_cast<std::uint32_t>(step.to_release.size());
  step.to_release.clear();
}

// ---- the ends of a sequence ---------------------------------------------------------------------------------------
void Scheduler::State::fail(Sequence& sequence, ErrorCode code, std::string message, SteadyTime now,
                            std::vector<SequenceEvent>& events) {
  SequenceEvent& event = add_event(events, SequenceEvent::Kind::kFailed, sequence.request.id, now);
  event.error = {code, std::move(message), "", 0};
  erase(sequence);
}

void Scheduler::State::finish(Sequence& sequence, FinishReason reason, SteadyTime now,
                              std::vector<SequenceEvent>& events) {
  add_event(events, SequenceEvent::Kind::kFinished, sequence.request.id, now).finish = reason;
  erase(sequence);
}

}  // namespace troupe
