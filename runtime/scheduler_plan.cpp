// What the next step computes.
#include <algorithm>
#include <limits>
#include <string>

#include "runtime/plan_writer.hpp"
#include "runtime/scheduler_state.hpp"

namespace troupe {

struct Scheduler::State::Draft {
  SchedulerCounts& totals;
  SteadyTime now;
  const StepBudget& budget;
  std::vector<SequenceEvent>& events;
  PlanWriter writer;
  StepShape shape;
  ClassFloor::PerClass prefill{};

  void add(Sequence& sequence, std::uint32_t count) {
    shape.add(sequence.planned, count);
    if (sequence.output_size() == 0) prefill[static_cast<std::size_t>(class_of(sequence.prompt_size))] += count;
    std::uint32_t known = std::min(sequence.planned_max, sequence.planned + count);
    totals.recomputed_tokens_total += known - std::min(known, sequence.planned);
    writer.add(sequence, count);
    sequence.planned_max = std::max(sequence.planned_max, sequence.planned);
    if (sequence.was_scheduled) return;
    sequence.was_scheduled = true;  // the first row of a sequence is news
    SequenceEvent& event = events.emplace_back();
    event.kind = SequenceEvent::Kind::kScheduled;
    event.id = sequence.request.id;
    event.cached_tokens = sequence.cached_tokens;
    event.at = now;
  }
};

// Sequences that decode come first, each with its one token; prompts share what the budget leaves, those that run and
// those that wait in one order.
std::shared_ptr<const StepPlan> Scheduler::plan(SteadyTime now, const StepBudget& budget,
                                                std::vector<SequenceEvent>& events) {
  State& s = *state_;
  s.fail_overdue(now, events);
  s.finish_complete(now, events);
  if (s.in_flight.size() >= s.limits.steps_in_flight) return nullptr;
  if (s.running.empty() && s.waiting.is_empty()) return nullptr;

  std::shared_ptr<StepPlan> plan = s.plans.take();
  PlanWriter writer(*plan, s.next_step, s.limits.step_tokens_max);
  State::Draft draft{s.totals, now, budget, events, writer, {}, {}};
  Sequence* suspect = s.next_suspect();
  // Alone in its step and alone in flight: when the executor dies, nobody else is to blame and nobody else is hit.
  if (suspect != nullptr && !s.in_flight.empty()) return nullptr;
  if (suspect != nullptr && s.grow(*suspect)) {
    draft.add(*suspect, std::min(suspect->left(), draft.writer.tokens_left()));
  } else {
    s.add_decodes(draft);
    s.add_prompts(draft);
  }

  if (plan->rows.empty()) return nullptr;
  s.book_floor(draft);
  ++s.next_step;
  s.in_flight.push_back({plan, {}});
  return plan;
}

void Scheduler::State::add_decodes(Draft& draft) {
  for (std::size_t i = 0; i < running.size(); ++i) {  // grow() may shorten the list behind i
    Sequence& sequence = *running[i];
    if (sequence.left() == 1 && !sequence.ends_in_flight() && grow(sequence)) draft.add(sequence, 1);
  }
}

void Scheduler::State::add_prompts(Draft& draft) {
  prompts.clear();
  for (Sequence* sequence : running) {
    if (sequence->is_prompt()) prompts.push_back(sequence);
  }
  std::sort(prompts.begin(), prompts.end(),
            [](const Sequence* a, const Sequence* b) { return has_turn_before(*a, *b); });
  add_starved(draft);
  bool line_stands = false;
  auto prompt = prompts.begin();
  while (draft.writer.tokens_left() > 0) {
    Sequence* first = line_stands ? nullptr : next_waiting(draft);
    bool more = prompt != prompts.end();
    if (first == nullptr && !more) return;
    if (first != nullptr && (!more || has_turn_before(*first, **prompt))) {
      if (draft.budget.chunk(draft.shape, 0, first->left()) == 0) return;
      // Nobody overtakes: when there is no room for the first, the blocks that come back are kept for it.
      line_stands = running.size() >= draft.budget.sequences_max() || !admit(*first);
      if (!line_stands && !add_chunk(draft, *first, std::numeric_limits<std::uint32_t>::max())) return;
    } else if (!add_chunk(draft, **prompt++, std::numeric_limits<std::uint32_t>::max())) {
      return;
    }
  }
}

// The next positions of an admitted prompt. False: the step is full.
bool Scheduler::State::add_chunk(Draft& draft, Sequence& sequence, std::uint32_t limit) {
  std::uint32_t most = std::min({sequence.left(), draft.writer.tokens_left(), limit});
  std::uint32_t count = draft.budget.chunk(draft.shape, sequence.planned, most);
  if (count > 0) draft.add(sequence, count);
  return count > 0;
}

// The first prompt of a class that fell behind gets its share before the others.
void Scheduler::State::add_starved(Draft& draft) {
  int starved = floor.starved();
  if (starved < 0 || draft.writer.tokens_left() == 0) return;
  auto is_of_class = [&](const Sequence* one) { return class_of(one->prompt_size) == starved; };
  auto credit = static_cast<std::uint32_t>(floor.credit(starved));
  auto at = std::find_if(prompts.begin(), prompts.end(), is_of_class);
  if (at != prompts.end()) {
    Sequence& sequence = **at;
    prompts.erase(at);
    add_chunk(draft, sequence, credit);
    return;
  }
  const std::vector<Sequence*>& line = waiting.backwards();
  auto first = std::find_if(line.rbegin(), line.rend(), is_of_class);
  if (first == line.rend() || running.size() >= draft.budget.sequences_max()) return;
  Sequence& sequence = **first;
  if (sequence.is_suspect || sequence.output_size() > 0 || !admit(sequence)) return;
  add_chunk(draft, sequence, credit);
}

void Scheduler::State::book_floor(const Draft& draft) {
  std::array<bool, kPromptClasses> has_work{};
  for (const Sequence* sequence : running) {
    if (sequence->is_prompt()) has_work[static_cast<std::size_t>(class_of(sequence->prompt_size))] = true;
  }
  for (const Sequence* sequence : waiting.backwards()) {
    has_work[static_cast<std::size_t>(class_of(sequence->prompt_size))] = true;
  }
  floor.booked(draft.prefill, has_work);
}

// ---- those who wait -----------------------------------------------------------------------------------------------
Sequence* Scheduler::State::next_waiting(Draft& draft) {
  for (;;) {
    finish_complete(draft.now, draft.events);
    Sequence* first = waiting.first();
    if (first == nullptr || first->is_suspect) return nullptr;
    if (!is_hopeless(draft, *first)) return first;
  }
}

// Cannot be in time any more: a deadline fails before it costs anything; a due time is moved behind those that can be
// met, once. True: it is no longer where it was.
bool Scheduler::State::is_hopeless(Draft& draft, Sequence& sequence) {
  if (sequence.was_scheduled) return false;
  auto least = std::chrono::duration_cast<SteadyTime::duration>(
      std::chrono::duration<double, std::milli>(draft.budget.least_prefill_ms(sequence.left())));
  SteadyTime earliest = draft.now + least;
  if (sequence.request.deadline && *sequence.request.deadline < earliest) {
    fail(sequence, ErrorCode::kDeadlineExceeded,
         "the request's deadline cannot be met any more: its prompt alone would take longer, in stage queue", draft.now,
         draft.events);
    return true;
  }
  if (!limits.postpones_late || sequence.was_postponed || sequence.request.due >= earliest) return false;
  waiting.remove(sequence);
  sequence.was_postponed = true;
  sequence.request.due = draft.now + kPostponement * (sequence.request.due - sequence.request.arrived);
  waiting.add(sequence);
  ++totals.postponed_total;
  return true;
}

void Scheduler::State::fail_overdue(SteadyTime now, std::vector<SequenceEvent>& events) {
  if (now < next_deadline) return;
  next_deadline = SteadyTime::max();
  for (std::size_t i = waiting.size(); i-- > 0;) {
    Sequence& sequence = *waiting.backwards()[i];
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
  for (Sequence* first = waiting.first(); first != nullptr && first->output_size() >= first->output_max;
       first = waiting.first()) {
    finish(*first, FinishReason::kLength, now, events);
  }
}

bool Scheduler::State::admit(Sequence& sequence) {
  if (running.size() >= limits.sequences_max) return false;
  if (sequence.pending > 0) return false;  // preempted, and its last token is not known yet
  if (blocks_available() < sequence.blocks_wanted) return false;

  auto size = static_cast<std::uint32_t>(sequence.tokens.size());
  std::uint32_t available = blocks_available();
  // At least one position is always computed: a token is sampled from it.
  bool queries = kv.prefix_cache() && sequence.takes_prefix_hit();
  if (kv.prefix_cache()) sequence.hash = KvManager::root_hash(sequence.request.cache_key);
  if (queries) {
    kv.match_prefix(sequence.hash, sequence.tokens, (size - 1) / kBlockSize, sequence.blocks);
  }
  auto matched = static_cast<std::uint32_t>(sequence.blocks.size());
  std::uint32_t missing = blocks_for(sequence.positions_wanted()) - matched;
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
    if (sequence.takes_prefix_hit()) totals.prefix_query_tokens_total += size;
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
  const std::vector<Sequence*>& line = waiting.backwards();
  auto first = std::find_if(line.rbegin(), line.rend(), [](const Sequence* one) { return one->is_suspect; });
  if (first == line.rend()) return nullptr;
  Sequence* sequence = *first;
  return admit(*sequence) ? sequence : nullptr;
}

}  // namespace troupe
