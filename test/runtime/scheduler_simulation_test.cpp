// The scheduler under everything that can happen to it, drawn from a seed: arrivals, drops, deadlines, deaths of the
// executor, poisonous requests, tiny KV pools, one and two steps in flight. TROUPE_SEED=n plays one seed again.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "test/runtime/scheduler_fixture.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed)
      : random_(seed), limits_(draw_limits()), kv_(blocks_total_, one_in(4) == false), model_(blocks_total_) {
    scheduler_.emplace(limits_, kv_);
    budget_.emplace(fixed_budget(limits_));
    positions_max_ = std::min<std::uint32_t>(limits_.context_length, blocks_total_ * kBlockSize);
  }

  void run() {
    for (int i = 0; i < 250; ++i) {
      now_ += std::chrono::microseconds(upto(3000));
      switch (upto(20)) {
        case 0:
          drop_one();
          break;
        case 1:
          if (has_deaths_ && one_in(6)) kill_executor();
          break;
        case 2:
        case 3:
        case 4:
        case 5:
          enqueue_one();
          break;
        case 6:
        case 7:
        case 8:
        case 9:
        case 10:
        case 11:
        case 12:
          plan();
          break;
        default:
          apply();
          break;
      }
      check_books();
    }
    finish_all();
  }

 private:
  struct Known {
    SequenceRequest request;
    Answer answer;
    std::size_t tokens = 0;
    std::size_t scores = 0;
    int deaths = 0;
    bool is_suspect = false;  // in a step that died and in none since that came back
    bool is_scheduled = false;
    bool is_ended = false;
    bool is_poison = false;      // the executor dies of its third output token
    bool is_not_finite = false;  // its second output token, or its vector, comes out as NaN
  };

  // ---- dice
  std::uint32_t upto(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  bool one_in(std::uint32_t n) { return upto(n) == 0; }

  BenchLimits draw_limits() {
    blocks_total_ = 2 + upto(one_in(3) ? 60 : 8);
    has_deaths_ = one_in(2);
    poisons_left_ = one_in(4) ? 1 : 0;
    BenchLimits limits;
    limits.sequences_max = 1 + upto(8);
    limits.step_tokens_max = 1 + upto(one_in(2) ? 8 : 64);
    limits.prefill_chunk_max = 1 + upto(32);
    limits.queue_max = 1 + upto(10);
    limits.queue_tokens_max = 20 + upto(300);
    limits.context_length = 20 + upto(100);
    limits.steps_in_flight = 1 + upto(2);
    limits.postpones_late = one_in(2);
    return limits;
  }

  SequenceRequest draw_request() {
    SequenceRequest request;
    request.id = next_id_++;
    request.cache_key.assign(1, one_in(2) ? 'a' : 'b');
    // Prompts share beginnings, sometimes with a whole earlier conversation.
    if (!known_.empty() && one_in(3)) {
      const Known& earlier = std::next(known_.begin(), upto(static_cast<std::uint32_t>(known_.size())))->second;
      request.prompt = earlier.request.prompt;
      request.prompt.insert(request.prompt.end(), earlier.answer.tokens.begin(), earlier.answer.tokens.end());
      request.cache_key = earlier.request.cache_key;
    } else {
      TokenId first = static_cast<TokenId>(upto(2));
      for (std::uint32_t i = upto(50); i > 0; --i) request.prompt.push_back(first);
    }
    for (std::uint32_t i = 1 + upto(3); i > 0; --i) request.prompt.push_back(static_cast<TokenId>(upto(kVocab)));
    request.max_tokens = 1 + upto(40);
    request.min_tokens = one_in(3) ? upto(10) : 0;
    if (!one_in(4)) request.stop_tokens = {kStopToken};
    if (one_in(4)) request.stop_tokens.push_back(17);
    request.sampling.seed = random_();
    request.choice = upto(3);
    if (one_in(4)) request.sampling.frequency_penalty = 0.5F;
    if (one_in(4)) request.sampling.logit_bias = {{3, 1.5F}, {9, -2.0F}};
    request.priority = one_in(4) ? 1 : 0;
    request.tenant.assign(upto(3), 't');
    if (one_in(2)) request.due = now_ + std::chrono::microseconds(upto(20000));
    request.arrived = now_ - std::chrono::microseconds(upto(2000));
    if (one_in(4)) {
      request.pooling = one_in(2) ? Pooling::kMean : Pooling::kLast;
      request.max_tokens = 1;
    } else if (one_in(4)) {
      request.prompt_logprobs = static_cast<std::int32_t>(upto(3));
      if (one_in(3)) request.max_tokens = 0;
    }
    if (one_in(5)) request.deadline = now_ + std::chrono::microseconds(upto(60000));
    return request;
  }

  // ---- what happens
  void enqueue_one() {
    Known known;
    known.request = draw_request();
    bool embeds = known.request.pooling != Pooling::kNone;
    if (!embeds) known.answer = answer_of(known.request, positions_max_);
    known.is_poison = !embeds && poisons_left_ > 0 && one_in(8);
    known.is_not_finite = !known.is_poison && one_in(20);
    if (!embeds && one_in(6)) {  // it comes from another node, with what that one emitted
      std::size_t emitted = upto(static_cast<std::uint32_t>(known.answer.tokens.size() + 1));
      known.request.emitted.assign(known.answer.tokens.begin(),
                                   known.answer.tokens.begin() + static_cast<long>(emitted));
      known.tokens = emitted;
      auto judged = static_cast<std::uint32_t>(known.request.prompt.size()) - 1;
      known.request.scored = emitted > 0 ? judged : upto(judged + 1);
      known.scores = known.request.scored;
    }
    auto before = scheduler_->counts();
    std::size_t size = known.request.prompt.size() + known.request.emitted.size();
    bool is_too_long = known.request.prompt.size() + (known.request.generates() ? 1 : 0) > positions_max_;
    bool is_full = before.waiting >= limits_.queue_max ||
                   (before.waiting > 0 && before.waiting_tokens + size > limits_.queue_tokens_max);
    Status status = scheduler_->enqueue(known.request, now_);
    // A full queue still lets in a tenant that has less than its share of it.
    check(status.ok() ? !is_too_long : is_too_long || is_full, "a sequence was accepted or refused wrongly");
    if (!status.ok()) {
      check(status.error().code == (is_too_long ? ErrorCode::kContextLengthExceeded : ErrorCode::kQueueFull),
            "a sequence was refused for a wrong reason");
      check(scheduler_->counts().waiting == before.waiting, "a refusal changed the queue");
      return;
    }
    model_.know(known.request.id, known.request.cache_key);
    if (known.is_poison) --poisons_left_;
    RequestId id = known.request.id;
    known_.emplace(id, std::move(known));
  }

  void drop_one() {
    if (known_.empty()) return;
    auto& [id, known] = *std::next(known_.begin(), upto(static_cast<std::uint32_t>(known_.size())));
    check(scheduler_->drop(id).has_value() == !known.is_ended, "drop knows an ended sequence or not a living one");
    known.is_ended = true;
  }

  bool plan() {
    std::vector<SequenceEvent> events;
    auto plan = scheduler_->plan(now_, *budget_, events);
    take(events);
    if (!plan) return false;
    check(in_flight_.size() < limits_.steps_in_flight, "more steps in flight than allowed");
    check(plan->step > last_step_, "steps are not numbered in order");
    last_step_ = plan->step;
    check_plan(*plan);
    in_flight_.push_back(plan);
    return true;
  }

  void apply() {
    if (in_flight_.empty()) return;
    auto plan = in_flight_.front();
    StepResult result = model_.run(*plan);
    for (std::size_t i = 0; i < plan->rows.size(); ++i) {
      const StepRow& row = plan->rows[i];
      const Known& known = known_.at(row.sequence);
      if (known.is_not_finite && row.is_end == 1) result.rows[i].outcome = RowOutcome::kNotFinite;
      if (row.sampling == kNoIndex) continue;
      std::uint32_t position = plan->sampling[row.sampling].position;
      if (known.is_poison && !known.is_ended && position == 2) return kill_executor();
      if (known.is_not_finite && position == 1) result.rows[i].outcome = RowOutcome::kNotFinite;
    }
    in_flight_.pop_front();
    for (const StepRow& row : plan->rows) known_.at(row.sequence).is_suspect = false;
    std::vector<SequenceEvent> events;
    scheduler_->apply(result, now_, events);
    take(events);
    events.clear();
    if (one_in(10)) scheduler_->apply(result, now_, events);  // again: it is not in flight any more
    check(events.empty(), "a step was booked twice");
  }

  void kill_executor() {
    std::set<RequestId> hit;
    for (const auto& plan : in_flight_) {
      for (const StepRow& row : plan->rows) hit.insert(row.sequence);
    }
    for (RequestId id : hit) {
      ++known_.at(id).deaths;
      known_.at(id).is_suspect = true;
    }
    in_flight_.clear();
    model_.restart();
    std::vector<SequenceEvent> events;
    scheduler_->executor_lost(now_, events);
    take(events);
  }

  void finish_all() {
    has_deaths_ = false;
    int rounds = 0;
    while (scheduler_->has_work()) {
      check(++rounds < 100000, "somebody never ends");
      bool was_planned = plan();
      check_books();
      check(was_planned || !in_flight_.empty() || !scheduler_->has_work(), "there is work, but no step");
      if (!was_planned || one_in(2)) apply();
      check_books();
    }
    for (const auto& [id, known] : known_) check(known.is_ended, "a sequence was forgotten");
    auto counts = kv_.counts();
    check(counts.free + counts.cached == blocks_total_, "blocks are still in use after all have ended");
    check(scheduler_->counts().waiting_tokens == 0, "tokens wait for nobody");
  }

  // ---- what must hold
  static void check_scores(const SequenceEvent& event, Known& known) {
    check(known.is_scheduled && known.request.prompt_logprobs >= 0, "scores nobody asked for");
    std::vector<PromptScore> all = scores_of(known.request);
    check(!event.scores.empty() && event.scores.size() <= all.size() - known.scores, "contract 1: scores too many");
    bool equal = std::equal(event.scores.begin(), event.scores.end(), all.begin() + static_cast<long>(known.scores));
    check(equal, "contract 2: a wrong score");
    known.scores += event.scores.size();
  }

  void take(const std::vector<SequenceEvent>& events) {
    for (const SequenceEvent& event : events) {
      Known& known = known_.at(event.id);
      check(!known.is_ended, "contract 1: an event after the end");
      switch (event.kind) {
        case SequenceEvent::Kind::kScheduled:
          check(!known.is_scheduled, "scheduled first, twice");
          known.is_scheduled = true;
          check(event.cached_tokens < known.request.prompt.size() || !known.request.emitted.empty(),
                "the whole prompt came from the cache");
          check(event.cached_tokens == 0 || known.request.pooling != Pooling::kMean,
                "a mean over what was not computed");
          break;
        case SequenceEvent::Kind::kScored:
          check_scores(event, known);
          break;
        case SequenceEvent::Kind::kToken:
          check(known.is_scheduled, "a token before it was scheduled");
          check(known.request.prompt_logprobs < 0 || known.scores + 1 == known.request.prompt.size(),
                "a token before the prompt was judged");
          check(known.tokens < known.answer.tokens.size(), "contract 1: a token too many");
          check(event.token == known.answer.tokens[known.tokens], "contract 2: a wrong token");
          ++known.tokens;
          break;
        case SequenceEvent::Kind::kFinished:
          check(known.tokens == known.answer.tokens.size(), "contract 1: tokens are missing");
          check(known.request.prompt_logprobs < 0 || known.scores + 1 == known.request.prompt.size(),
                "contract 1: scores are missing");
          if (known.request.pooling != Pooling::kNone)
            check(event.embedding == embedding_of(known.request), "contract 2: a wrong embedding");
          else
            check(event.finish == known.answer.finish && event.embedding.empty(), "a wrong reason to finish");
          known.is_ended = true;
          break;
        case SequenceEvent::Kind::kFailed:
          check_failure(event, known);
          break;
      }
    }
  }

  void check_failure(const SequenceEvent& event, Known& known) {
    known.is_ended = true;
    if (event.error.code == ErrorCode::kDeadlineExceeded) {
      check(known.request.deadline && *known.request.deadline <= now_, "a deadline that has not passed");
      check(event.error.message.find("stage") != std::string::npos, "a deadline without its stage");
      return;
    }
    check(event.error.code == ErrorCode::kInternal, "a failure for no reason");
    check(known.is_not_finite || known.deaths > static_cast<int>(Scheduler::kRetriesMax),
          "contract 8: a sequence failed for others' faults");
    // Deaths that nobody is to blame for hit anyone; a poisonous request alone must not.
    if (!known.is_not_finite && !ever_had_deaths_) check(known.is_poison, "contract 8: an innocent failed");
  }

  void check_plan(const StepPlan& plan) {
    check(!plan.rows.empty() && plan.rows.size() <= limits_.sequences_max, "a step with too many rows or none");
    check(plan.tokens.size() <= limits_.step_tokens_max, "a step with too many tokens");
    std::map<std::uint32_t, RequestId> written;
    for (const StepRow& row : plan.rows) {
      for (std::uint32_t i = row.position / kBlockSize; i <= (row.position + row.tokens.count - 1) / kBlockSize; ++i) {
        bool is_first = written.emplace(plan.blocks.at(row.blocks.begin + i), row.sequence).second;
        check(is_first, "contract 3: two rows write one block");
      }
    }
    std::set<RequestId> seen;
    for (const StepRow& row : plan.rows) {
      check(seen.insert(row.sequence).second, "a sequence twice in one step");
      check(!known_.at(row.sequence).is_ended, "an ended sequence in a step");
      bool is_alone = plan.rows.size() == 1 && in_flight_.empty();
      check(is_alone || !known_.at(row.sequence).is_suspect, "contract 8: a suspect has company");
    }
    auto check_readers = [&](const StepPlan& other) {
      for (const StepRow& row : other.rows) {
        for (std::uint32_t i = 0; i < row.blocks.count; ++i) {
          auto writer = written.find(other.blocks[row.blocks.begin + i]);
          check(writer == written.end() || writer->second == row.sequence,
                "contract 3: a block is written that a step in flight uses for another sequence");
        }
      }
    };
    check_readers(plan);
    for (const auto& other : in_flight_) check_readers(*other);
    check(decode_step_plan(encode(plan)).ok(), "a plan that does not keep its own rules");
  }

  void check_books() {
    auto counts = kv_.counts();
    check(counts.free + counts.cached + counts.referenced == counts.total, "contract 3: the blocks do not add up");
    for (const auto& plan : in_flight_) {
      for (std::uint32_t block : plan->blocks) {
        check(kv_.references(block) > 0, "contract 3: a block of a step in flight was released");
      }
    }
    auto sequences = scheduler_->counts();
    check(sequences.running <= limits_.sequences_max, "too many running");
    check(sequences.waiting <= 2 * limits_.queue_max + limits_.sequences_max, "contract 4: the queue grew");
    check(scheduler_->in_flight() == in_flight_.size(), "steps in flight are counted wrongly");
  }

  std::mt19937_64 random_;
  std::uint32_t blocks_total_ = 0;
  std::uint32_t positions_max_ = 0;
  bool has_deaths_ = false;
  int poisons_left_ = 0;
  BenchLimits limits_;
  bool ever_had_deaths_ = has_deaths_;
  KvManager kv_;
  ScriptedModel model_;
  std::optional<Scheduler> scheduler_;
  std::optional<BatchWindow> budget_;
  SteadyTime now_{1s};
  RequestId next_id_ = 1;
  std::uint64_t last_step_ = 0;
  std::map<RequestId, Known> known_;
  std::deque<std::shared_ptr<const StepPlan>> in_flight_;
};

void play(std::uint64_t seed) {
  try {
    Simulation(seed).run();
  } catch (const std::exception& error) {
    FAIL("TROUPE_SEED=" << seed << ": " << error.what());
  }
}

}  // namespace

TEST_CASE("contracts 1, 2, 3, 4 and 8: the scheduler keeps its promises whatever happens") {
  if (const char* seed = std::getenv("TROUPE_SEED")) return play(std::strtoull(seed, nullptr, 10));
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) play(seed);
  SUCCEED();
}
