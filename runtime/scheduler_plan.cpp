// What the next step computes.
#include <algorithm>
#include <string>

#include "runtime/plan_writer.hpp"
#include "runtime/scheduler_state.hpp"

namespace troupe {
namespace {

// The first row of a sequence is news.
void note_scheduled(Sequence& sequence, SteadyTime now, std::vector<SequenceEvent>& events) {
  if (sequence.was_scheduled) return;
  sequence.was_scheduled = true;
  SequenceEvent& event = events.emplace_back();
  event.kind = SequenceEvent::Kind::kScheduled;
  event.id = sequence.request.id;
  event.cached_tokens = sequence.cached_tokens;
  event.at = now;
}

}  // namespace

// Sequences that decode come first, each with its one token; prompts share what is left of the step's tokens in
// order, the running ones before the waiting ones.
std::shared_ptr<const StepPlan> Scheduler::plan(SteadyTime now, std::vector<SequenceEvent>& events) {
  State& s = *state_;
  s.fail_overdue(now, events);
  s.finish_complete(now, events);
  if (s.in_flight.size() >= s.limits.steps_in_flight) return nullptr;
  if (s.running.empty() && s.waiting.empty()) return nullptr;

  std::shared_ptr<StepPlan> plan = s.plans.take();
  PlanWriter writer(*plan, s.next_step, s.limits.step_tokens_max);
  auto add = [&](Sequence& sequence, std::uint32_t count) {
    std::uint32_t known = std::min(sequence.planned_max, sequence.planned + count);
    s.totals.recomputed_tokens_total += known - std::min(known, sequence.planned);
    writer.add(sequence, count);
    sequence.planned_max = std::max(sequence.planned_max, sequence.planned);
    note_scheduled(sequence, now, events);
  };

  Sequence* suspect = s.next_suspect();
  // Alone in its step and alone in flight: when the executor dies, nobody else is to blame and nobody else is hit.
  if (suspect != nullptr && !s.in_flight.empty()) return nullptr;
  if (suspect != nullptr && s.grow(*suspect)) {
    add(*suspect, std::min(suspect->left(), writer.tokens_left()));
  } else {
    for (std::size_t i = 0; i < s.running.size(); ++i) {  // grow() may shorten the list behind i
      Sequence& sequence = *s.running[i];
      if (sequence.left() == 1 && !sequence.ends_in_flight() && s.grow(sequence)) add(sequence, 1);
    }
    std::uint32_t chunk_max = plan->rows.empty() ? s.limits.step_tokens_max : s.limits.prefill_chunk_max;
    auto chunk = [&](const Sequence& sequence) { return std::min({sequence.left(), chunk_max, writer.tokens_left()}); };
    for (Sequence* sequence : s.running) {
      if (sequence->left() > 1 && chunk(*sequence) > 0) add(*sequence, chunk(*sequence));
    }
    // Nobody overtakes: when there is no room for the first, the blocks that come back are kept for it.
    while (writer.tokens_left() > 0 && !s.waiting.empty()) {
      Sequence& first = *s.waiting.back();
      if (first.is_suspect || !s.admit(first)) break;
      add(first, chunk(first));
      s.finish_complete(now, events);
    }
  }

  if (plan->rows.empty()) return nullptr;
  ++s.next_step;
  s.in_flight.push_back({plan, {}});
  return plan;
}

void Scheduler::State::fail_overdue(SteadyTime now, std::vector<SequenceEvent>& events) {
  if (now < next_deadline) return;
  next_deadline = SteadyTime::max();
  for (std::size_t i = waiting.size(); i-- > 0;) {
    Sequence& sequence = *waiting[i];
    if (!sequence.request.deadline) continue;
    if (*sequence.request.deadline <= now) {
      fail(sequence, ErrorCode::kDeadlineExceeded,
           std::string("the request's deadline passed while it waited, in stage ") + name_of(sequence.stage()), now,
           events);
    } else {
      next_deadline = std::min(next_deadline, *sequence.request.deadline);
    }
  }
}

// A sequence that came over with all its tokens lacks only its end.
void Scheduler::State::finish_complete(SteadyTime now, std::vector<SequenceEvent>& events) {
  while (!waiting.empty() && waiting.back()->output_size() >= waiting.back()->output_max) {
    finish(*waiting.back(), FinishReason::kLength, now, events);
  }
}

bool Scheduler::State::admit(Sequence& sequence) {
  if (running.size() >= limits.sequences_max) return false;
  if (sequence.pending > 0) return false;  // preempted, and its last token is not known yet
  if (blocks_available() < sequence.blocks_wanted) return false;

  auto size = static_cast<std::uint32_t>(sequence.tokens.size());
  std::uint32_t available = blocks_available();
  // At least one position is always computed: a token is sampled from it.
  if (kv.prefix_cache()) {
    sequence.hash = KvManager::root_hash(sequence.request.cache_key);
    kv.match_prefix(sequence.hash, sequence.tokens, (size - 1) / kBlockSize, sequence.blocks);
  }
  auto matched = static_cast<std::uint32_t>(sequence.blocks.size());
  std::uint32_t missing = blocks_for(size + 1) - matched;
  if (missing > blocks_available()) {
    sequence.blocks_wanted = missing + (available - blocks_available());
    release_blocks(sequence);
    return false;
  }
  if (matched > 0) sequence.hash = kv.hash_of(sequence.blocks.back());
  while (missing-- > 0) sequence.blocks.push_back(*kv.allocate());

  sequence.planned = sequence.computed = matched * kBlockSize;
  sequence.published = matched;
  sequence.admitted_step = next_step;
  if (!sequence.was_scheduled) {
    sequence.cached_tokens = std::min(matched * kBlockSize, sequence.prompt_size);
    totals.prefix_query_tokens_total += size;
    totals.prefix_hit_tokens_total += matched * kBlockSize;
  }
  stop_waiting(sequence);
  start_running(sequence);
  return true;
}

bool Scheduler::State::grow(Sequence& sequence) {
  while (sequence.planned >= sequence.blocks.size() * kBlockSize) {
    if (auto block = kv.allocate()) {
      sequence.blocks.push_back(*block);
      continue;
    }
    // Blocks that are coming back need not be taken from anybody: the sequence sits out this step.
    if (coming_back > 0) return false;
    Sequence& victim = *running.back();
    stop_running(victim);
    give_up_blocks(victim);
    start_waiting(victim);
    ++totals.preemptions_total;
    if (&victim == &sequence) return false;
  }
  return true;
}

Sequence* Scheduler::State::next_suspect() {
  if (suspects == 0) return nullptr;
  for (Sequence* sequence : running) {
    if (sequence->is_suspect) return sequence;
  }
  auto first = std::find_if(waiting.rbegin(), waiting.rend(), [](const Sequence* one) { return one->is_suspect; });
  if (first == waiting.rend()) return nullptr;
  Sequence* sequence = *first;
  return admit(*sequence) ? sequence : nullptr;
}

}  // namespace troupe
