#pragma once
// Everything one actor says to another. Values, small or moved; none of them leaves the process (a cluster link has
// records of its own), hence no inspect functions: the one list at the end makes an unlisted type a compile error.
#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/type_id.hpp>

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/live_answer.hpp"
#include "actors/live_request.hpp"
#include "actors/reply.hpp"
#include "actors/service_env.hpp"
#include "runtime/doors/result_store.hpp"
#include "runtime/request.hpp"
#include "runtime/result.hpp"
#include "runtime/scheduler.hpp"
#include "runtime/step_plan.hpp"

namespace troupe {

// ---- request <-> supervisor
struct Hello {  // a request's first word; answered by Wiring
  std::optional<SteadyTime> deadline;
  LiveRequestPtr live;
};
struct Wiring {  // whom to talk to; again to all when one was replaced. Epochs count the batchers.
  std::uint64_t epoch = 0;
  caf::actor batcher;
  caf::actor cache;
};
struct Cancel {  // also from the response stream's reader
  CancelReason reason = CancelReason::kClientGone;
  std::optional<SteadyTime> asked = {};  // when; nothing: now
};
struct TakeUp {  // an answer whose actor died; unread it ends with an error
  LiveAnswerPtr answer;
};
struct GiveUp {  // the supervisor has: nothing will answer this request
  Error error;
};

// ---- text worker -> request
struct Tokenized {
  Result<std::vector<TokenId>> tokens = std::vector<TokenId>{};
};

// ---- request <-> cache
struct Lookup {  // answered by CacheAnswer, at once or when the request that computes the answer has it
  ResultKey key{};
  bool may_lead = true;  // false: only a stored answer is wanted
  WorkMarkPtr mark;
};
struct CacheAnswer {
  enum class Kind : std::uint8_t { kHit, kLead, kMiss };
  Kind kind = Kind::kMiss;  // kLead: compute it, others wait for you; kMiss: compute it for yourself
  std::shared_ptr<const StoredResult> result;
};
struct Publish {
  ResultKey key{};
  std::shared_ptr<const StoredResult> result;
};
struct Leave {  // the sender neither waits nor leads any more
  ResultKey key{};
};

// ---- request <-> batcher
struct Enqueue {  // answered by Accepted or Refused, then SequenceNews until kFinished or kFailed
  SequenceRequest sequence;
  WorkMarkPtr mark;
};
struct Accepted {
  std::uint64_t epoch = 0;
};
struct Refused {
  std::uint64_t epoch = 0;
  Error error;
};
struct SequenceNews {
  std::uint64_t epoch = 0;
  SequenceEvent event;
};
struct Drop {
  RequestId id = 0;
  std::optional<SteadyTime> asked = {};  // when it was cancelled; nothing: it ended by itself
};

// ---- batcher <-> executor
using StepPlanPtr = std::shared_ptr<const StepPlan>;
struct RunStep {
  StepPlanPtr plan;
};
struct StepDone {  // from whatever thread computed it
  std::uint64_t executor = 0;
  StepResult result;
};
struct RunnerBroke {  // an executor to itself
  std::string why;
};
struct ExecutorIs {  // supervisor -> batcher; the one before is dead
  std::uint64_t number = 0;
  caf::actor executor;
};

// ---- timers, each an actor's own
struct WindowTick {};
struct DeadlineTick {};
struct WatchTick {};

// ---- service -> supervisor
struct Drain {  // the promise is kept once no request is live
  std::shared_ptr<std::promise<void>> empty;
};
struct BeginDrain {};  // supervisor -> batcher: nothing new; what was accepted before goes on
struct CancelAll {
  CancelReason reason = CancelReason::kShutdown;
};
struct Stop {};

// ---- operator -> supervisor
struct Shed {
  std::int32_t below_priority = 0;
  ReplyPtr<std::uint32_t> reply;
};
struct CancelTenant {
  std::string tenant;
  ReplyPtr<std::uint32_t> reply;
};
struct AskState {
  ReplyPtr<ServiceState> reply;
};
struct Trim {
  ReplyPtr<TrimReport> reply;
};
// ---- and on to the cache and the batcher
struct CacheBudget {
  std::size_t bytes = 0;
};
struct YieldMemory {};  // the cache asks the governor how much
struct DropStored {};   // answered by Dropped
struct SharePrefixes {
  bool on = true;
};
struct DropCachedBlocks {};  // answered by Dropped
struct Dropped {
  std::uint64_t count = 0;  // bytes, or blocks
};

}  // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Hello)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Wiring)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Cancel)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::TakeUp)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::GiveUp)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Tokenized)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Lookup)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::CacheAnswer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Publish)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Leave)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Enqueue)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Accepted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Refused)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::SequenceNews)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Drop)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::RunStep)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::StepDone)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::RunnerBroke)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::ExecutorIs)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::WindowTick)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::DeadlineTick)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::WatchTick)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Drain)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::BeginDrain)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::CancelAll)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Stop)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Shed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::CancelTenant)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::AskState)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Trim)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::CacheBudget)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::YieldMemory)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::DropStored)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::SharePrefixes)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::DropCachedBlocks)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::Dropped)
