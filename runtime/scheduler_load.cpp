// What the scheduler tells of itself, for the step that comes and for newcomers.
#include <algorithm>
#include <utility>

#include "runtime/milliseconds.hpp"
#include "runtime/scheduler_state.hpp"

namespace troupe {
namespace {

constexpr double kLateMs = 100;  // to go, for a prompt that is late

}  // namespace

LoadView Scheduler::load(SteadyTime now) const {
  State& s = *state_;
  LoadView load;
  load.waiting = s.waiting.size();
  load.running = static_cast<double>(s.running.size());
  s.prompts.clear();
  for (Sequence* sequence : s.running) {
    if (sequence->is_prompt()) {
      s.prompts.push_back(sequence);
    } else {
      load.decoding += 1;
      load.context += sequence->planned;
    }
  }
  const std::vector<Sequence*>& line = s.waiting.backwards();
  s.prompts.insert(s.prompts.end(), line.rbegin(), line.rend());
  std::sort(s.prompts.begin(), s.prompts.end(),
            [](const Sequence* a, const Sequence* b) { return a->request.due < b->request.due; });
  if (!s.prompts.empty()) load.head_computed = s.prompts.front()->planned;
  for (const Sequence* sequence : s.prompts) {
    load.prompt_tokens += sequence->left();
    double left_ms = ms_between(now, sequence->request.due);
    // Where first tokens are promised, what is late cannot be saved by haste; where they are aimed at, it waits on.
    if (!s.limits.postpones_late) left_ms = std::max(left_ms, kLateMs);
    if (left_ms > 1) load.need_rate = std::max(load.need_rate, load.prompt_tokens / left_ms);
  }
  return load;
}

// Another tenant can take at most what the newcomer's own tenant does, by their weights, before its turn: the one that
// was served least goes first.
Ahead Scheduler::ahead_of(const SequenceRequest& newcomer) const {
  const State& s = *state_;
  auto prompt = static_cast<double>(newcomer.prompt.size());
  int prompt_class = class_of(prompt);
  Ahead own;
  std::unordered_map<const Tenant*, Ahead> others;
  const Tenant* tenant = s.tenants.find(newcomer.tenant);
  auto meet = [&](const Sequence& sequence, bool is_waiting) {
    std::int32_t priority = sequence.request.priority;
    if (priority < newcomer.priority) return;
    bool is_first = priority > newcomer.priority;
    bool is_before = is_first || sequence.request.due <= newcomer.due;
    if (is_before && class_of(sequence.prompt_size) == prompt_class) own.class_tokens += sequence.left();
    bool is_own = sequence.tenant == tenant;
    if (is_own && !is_before) return;
    Ahead& one = is_own || is_first ? own : others[sequence.tenant];
    one.tokens += sequence.left();
    if (is_waiting) one.sequences += 1;
  };
  for (const Sequence* sequence : s.running) {
    if (sequence->is_prompt()) meet(*sequence, false);
  }
  for (const Sequence* sequence : s.waiting.backwards()) meet(*sequence, true);
  Ahead sum = own;
  for (const auto& [other, ahead] : others) {
    double equal = (own.tokens + prompt) * other->weight / newcomer.weight;
    double share = std::min(1.0, equal / std::max(ahead.tokens, 1.0));
    sum.tokens += share * ahead.tokens;
    sum.sequences += share * ahead.sequences;
  }
  return sum;
}

const TenantBooks& Scheduler::tenants() const { return state_->tenants; }

bool Scheduler::has_room(const LineLoad& more, double reserve) const {
  const State& s = *state_;
  double left = 1 - reserve;
  return s.waiting.size() + more.sequences < left * s.limits.queue_max &&
         static_cast<double>(s.waiting.tokens()) + more.tokens < left * static_cast<double>(s.limits.queue_tokens_max);
}

std::optional<SteadyTime> Scheduler::first_due() const {
  std::optional<SteadyTime> first;
  for (const Sequence* sequence : state_->waiting.backwards()) {
    SteadyTime due = sequence->request.due;
    if (sequence->request.deadline) due = std::min(due, *sequence->request.deadline);
    if (!first || due < *first) first = due;
  }
  return first;
}

}  // namespace troupe
