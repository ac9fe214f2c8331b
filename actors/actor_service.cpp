#include "actors/actor_service.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/atom.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "actors/access_record.hpp"
#include "actors/messages.hpp"
#include "actors/request_actor.hpp"
#include "actors/service_env.hpp"
#include "actors/shell.hpp"
#include "actors/supervisor.hpp"
#include "actors/text_jobs.hpp"
#include "runtime/log.hpp"

namespace troupe {
namespace {

constexpr std::size_t kMessagesPerTurn = 30;  // then a worker takes the next actor: a backlog starves nobody
constexpr std::chrono::milliseconds kCancelLimit{1'000};  // for cancelled requests to end

// The framework's settings stand here and nowhere else: no file and no command line is read.
struct SystemConfig : caf::actor_system_config {
  explicit SystemConfig(std::uint32_t threads) {
    set("scheduler.policy", caf::atom("sharing"));  // work stealing polls: it burns CPU when idle and answers later
    set("scheduler.max-threads", static_cast<std::int64_t>(std::max(1U, threads)));  // 0 hangs
    set("scheduler.max-throughput", static_cast<std::int64_t>(kMessagesPerTurn));
  }
};

// The runner that told its limits runs the first steps; later ones come from the factory itself. Called by one
// executor after another, each on its own thread.
StepRunnerFactory starting_with(std::unique_ptr<StepRunner> first, StepRunnerFactory rest) {
  struct First {
    std::mutex mutex;
    std::unique_ptr<StepRunner> runner;
  };
  auto box = std::make_shared<First>();
  box->runner = std::move(first);
  return [box, rest = std::move(rest)] {
    std::unique_lock lock(box->mutex);
    if (box->runner) return std::move(box->runner);
    lock.unlock();
    return rest();
  };
}

SchedulerLimits within(SchedulerLimits limits, const RunnerInfo& runner) {
  limits.sequences_max = std::min(limits.sequences_max, runner.rows_max);
  limits.step_tokens_max = std::min(limits.step_tokens_max, runner.tokens_max);
  // A sequence must fit the context and, alone, all the blocks there are.
  std::uint64_t positions =
      std::min<std::uint64_t>(runner.context_length, std::uint64_t{runner.blocks_total} * kBlockSize);
  limits.context_length = static_cast<std::uint32_t>(std::min<std::uint64_t>(limits.context_length, positions));
  limits.steps_in_flight = std::clamp(limits.steps_in_flight, 1U, std::max(1U, runner.steps_in_flight));
  return limits;
}

// Seeds for requests that bring none: distinct, and not to be guessed from another one.
class Seeds {
 public:
  Seeds() {
    std::random_device device;
    key_ = (std::uint64_t{device()} << 32U) | device();
  }
  // The finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection, so different counters give different seeds.
  std::uint64_t draw(std::uint64_t counter) const {
    std::uint64_t z = key_ + counter * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }

 private:
  std::uint64_t key_;
};

Error paused(std::uint32_t retry_after_s) {
  return {ErrorCode::kShuttingDown, "the server is draining: an operator asked for it", "", retry_after_s};
}

// Before anything is made of the request, so that its place in the result cache is that of what it now asks for.
void clamp_output(std::uint32_t max, Request& request) {
  StopRules& stop = request.stop;
  if (max == 0 || request.only_prompt) return;
  if (stop.max_tokens == 0 || stop.max_tokens > max) stop.max_tokens = max;
  stop.min_tokens = std::min(stop.min_tokens, max);
}

// What the request may need until it ends, and its answer until that is read.
struct RequestMemory {
  MemoryLease request, answer;
};

Result<RequestMemory> take_memory(ServiceEnv& env, const Request& request, std::uint32_t retry_after_s) {
  const MemoryGovernorPtr& governor = env.options.memory;
  RequestMemory memory{{governor, MemoryUse::kRequests}, {governor, MemoryUse::kAnswers}};
  std::uint64_t bytes = request_bytes(bytes_of(request.prompt));
  if (!memory.request.grow_to(bytes)) return governor->refusal(MemoryUse::kRequests, bytes, retry_after_s);
  std::uint32_t tokens = env.limits.context_length;
  if (request.stop.max_tokens > 0) tokens = std::min(tokens, request.stop.max_tokens);
  if (request.only_prompt) tokens = 0;
  bytes = tokens * env.token_bytes(request) + env.prompt_bytes(request, env.limits.context_length);
  if (!memory.answer.grow_to(bytes)) return governor->refusal(MemoryUse::kAnswers, bytes, retry_after_s);
  return memory;
}

LiveRequestPtr live_request(const Request& request) {
  auto live = std::make_shared<LiveRequest>();
  live->id = request.id;
  live->request_id = request.external_id;
  live->tenant = request.tenant;
  live->route = request.route;
  live->priority = request.priority;
  live->arrived = request.arrived;
  return live;
}

Error shutting_down() { return {ErrorCode::kShuttingDown, "the server is shutting down", "", 1}; }

// What makes this service take no more requests for good.
std::optional<Readiness> failure_of(const ServiceStatus& status) {
  if (status.has_lost_supervisor.load()) {
    return Readiness{Readiness::State::kFailed, "supervisor",
                     "the supervisor died; this server has to be started anew"};
  }
  if (status.failed_stage.load() < 0) return std::nullopt;
  const char* stage = name_of(static_cast<ProgressStage>(status.failed_stage.load()));
  return Readiness{Readiness::State::kFailed, stage,
                   std::string("the ") + stage + " died too often and was not started again"};
}

}  // namespace

// The order of the members is the order of the way down, from the last to the first.
struct ActorService::State {
  State(ServiceEnvPtr the_env, std::uint32_t threads)
      : env(std::move(the_env)), config(threads), system(config), supervisor(spawn_supervisor(system, env)) {
    let_go_of_actor_system();
    if (!env->options.memory) return;
    env->options.memory->on_tight([address = supervisor.address()] {
      if (auto alive = caf::actor_cast<caf::actor>(address)) caf::anon_send(alive, YieldMemory{});
    });
  }

  // No request is live any more.
  void stop() {
    caf::anon_send(supervisor, Stop{});
    supervisor = nullptr;
    env->options.text_workers->close();
    system.await_all_actors_done();
    if (env->options.memory) env->options.memory->on_tight({});
  }

  // Whether no request was live before `deadline`. Without a supervisor nobody says when the last one has ended.
  bool wait_until_empty(SteadyTime deadline) {
    auto empty = std::make_shared<std::promise<void>>();
    std::future<void> done = empty->get_future();
    caf::anon_send(supervisor, Drain{std::move(empty)});
    if (done.wait_for(deadline - env->now()) != std::future_status::ready) return false;
    try {
      done.get();
      return true;
    } catch (const std::future_error&) {
    }
    constexpr std::chrono::milliseconds kLook{10};
    while (env->status.live.load() > 0 && env->now() < deadline) std::this_thread::sleep_for(kLook);
    return env->status.live.load() == 0;
  }

  ServiceEnvPtr env;
  SystemConfig config;
  caf::actor_system system;
  caf::actor supervisor;
  Seeds seeds;
  std::atomic<RequestId> last_id = 0;

  template <class T>
  static ReplyPtr<T> reply_to(AdminService::Done<T> done) {
    return std::make_shared<Reply<T>>(std::move(done), shutting_down);
  }
};

Result<std::unique_ptr<ActorService>> ActorService::create(ActorServiceOptions options) {
  TROUPE_CHECK(options.codec && options.new_runner && options.text_workers && options.metrics && options.clock,
               "the service needs all its doors");
  try {
    std::unique_ptr<StepRunner> first = options.new_runner();
    if (!first) return Error{ErrorCode::kInternal, "the device could not be started", "", 0};
    auto env = std::make_shared<ServiceEnv>();
    env->options = std::move(options);
    env->runner = first->info();
    env->limits = within(env->options.limits, env->runner);
    env->status.result_cache_bytes = env->options.result_cache_bytes;
    env->status.stall = env->options.stall;
    if (Status fits = env->tenants.fits(env->options.tenants); !fits) return fits.error();
    env->metrics().name_tenants(env->tenants.use(env->options.tenants));
    env->options.new_runner = starting_with(std::move(first), std::move(env->options.new_runner));
    auto state = std::make_shared<State>(env, env->options.actor_threads);
    return std::unique_ptr<ActorService>(new ActorService(std::move(state)));
  } catch (const std::exception& e) {
    return Error{ErrorCode::kInternal, std::string("the device could not be started: ") + e.what(), "", 0};
  }
}

ActorService::ActorService(std::shared_ptr<State> state) : state_(std::move(state)) {}

// The end of an actor cannot be forced: whoever hangs in a device call is waited for elsewhere.
ActorService::~ActorService() {
  drain(state_->env->now());
  std::chrono::milliseconds limit = state_->env->options.stop;
  auto gone = std::make_shared<std::promise<void>>();
  std::future<void> done = gone->get_future();
  std::thread([state = std::move(state_), gone]() mutable {
    state->stop();
    state.reset();
    gone->set_value();
  }).detach();
  if (done.wait_for(limit) != std::future_status::ready) {
    log(LogLevel::kError, "actors",
        "an actor has not ended within " + std::to_string(limit.count()) + " ms and is left behind");
  }
}

std::shared_ptr<ResponseStream> ActorService::submit(Request request) {
  State& state = *state_;
  ServiceEnv& env = *state.env;
  SteadyTime now = env.now();
  request.id = state.last_id.fetch_add(1) + 1;
  auto stream = std::make_shared<ResponseStream>(request.id);
  env.metrics().request_received();
  TenantStanding tenant = env.tenants.standing(request.tenant);
  auto refuse = [&](Error error) {
    RequestEnd end;
    end.tenant = tenant.tenant_class;
    end.error = error.code;
    stream->fail(std::move(error));
    end.outcome = Outcome::kRejected;
    end.duration = now - request.arrived;
    end.stages[Stage::kReceive] = end.duration;
    end.last_stage = Stage::kReceive;
    env.metrics().request_ended(end);
    if (env.options.access_log) env.options.access_log->ended(access_record(request, end));
    return stream;
  };
  if (env.status.is_paused.load()) return refuse(paused(retry_after_s()));
  if (env.status.draining.load()) return refuse(shutting_down());
  if (auto failure = failure_of(env.status)) return refuse(Error{ErrorCode::kNotReady, failure->message, "", 0});
  clamp_output(env.status.max_tokens_max.load(), request);
  Result<RequestMemory> memory = take_memory(env, request, retry_after_s());
  if (!memory) return refuse(memory.error());
  if (auto refusal = env.tenants.enter(tenant, request, retry_after_s(), now)) {
    env.metrics().tenant_limited_by(tenant.tenant_class, refusal->limit);
    return refuse(std::move(refusal->error));
  }
  auto slot = LiveSlot::take(state.env, tenant);
  if (!slot) {
    return refuse(
        Error{ErrorCode::kQueueFull,
              std::to_string(env.options.requests_max) + " requests are being served; there is no room for more", "",
              retry_after_s()});
  }
  if (env.status.draining.load()) {  // since the first look; whoever waits for emptiness may have seen this slot
    slot.reset();
    caf::anon_send(state.supervisor, Drain{});
    return refuse(shutting_down());
  }
  stream->keep(std::move(memory->answer), env.token_bytes(request));
  RequestJob job;
  job.is_deterministic = request.is_deterministic();
  if (!request.sampling.seed) request.sampling.seed = state.seeds.draw(request.id);
  job.live = live_request(request);
  job.tenant = std::move(tenant);
  job.request = std::move(request);
  job.stream = stream;
  job.slot = std::move(slot);
  job.memory = std::move(memory->request);
  job.received = env.now();
  job.submitted = env.now();
  spawn_request(state.system, state.env, state.supervisor, std::make_shared<LiveAnswer>(state.env, std::move(job)));
  let_go_of_actor_system();
  return stream;
}

void ActorService::tokenize(TokenizeJob job, std::function<void(Result<std::vector<TokenId>>)> done) {
  post_tokenize(state_->env, std::move(job), std::move(done));
}

void ActorService::detokenize(std::vector<TokenId> tokens, std::function<void(Result<std::string>)> done) {
  post_detokenize(state_->env, std::move(tokens), std::move(done));
}

// Nobody watches a clock for this: whoever asks gets what the stages last said.
Readiness ActorService::readiness() const {
  const ServiceEnv& env = *state_->env;
  if (auto failure = failure_of(env.status)) return *failure;
  if (env.status.draining.load()) return {Readiness::State::kDraining, "", "the server is shutting down"};
  if (env.status.is_paused.load()) return {Readiness::State::kDraining, "", paused(0).message};
  if (auto stuck = env.progress.stuck(env.now(), env.status.stall.load())) {
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(stuck->since).count();
    return {Readiness::State::kStalled, name_of(stuck->stage),
            std::string("the ") + name_of(stuck->stage) + " has work and has not finished any for " +
                std::to_string(seconds) + " s"};
  }
  return {Readiness::State::kReady, "", ""};
}

std::uint32_t ActorService::retry_after_s() const {
  return std::max(1U, state_->env->status.retry_after_s.load(std::memory_order_relaxed));
}

bool ActorService::drain(SteadyTime deadline) {
  State& state = *state_;
  state.env->status.draining.store(true);
  if (state.wait_until_empty(deadline)) return true;
  caf::anon_send(state.supervisor, CancelAll{CancelReason::kShutdown});
  if (!state.wait_until_empty(state.env->now() + kCancelLimit)) {
    log(LogLevel::kError, "actors",
        std::to_string(live_requests()) + " requests have not ended after they were cancelled");
  }
  return false;
}

// ---- an operator's verbs --------------------------------------------------------------------------------------------

void ActorService::set_draining(bool on) { state_->env->status.is_paused.store(on); }

void ActorService::shed(std::int32_t below_priority, Done<std::uint32_t> done) {
  caf::anon_send(state_->supervisor, Shed{below_priority, State::reply_to(std::move(done))});
}

void ActorService::cancel_tenant(std::string tenant, Done<std::uint32_t> done) {
  if (is_tenant_name(tenant) && !state_->env->tenants.has_named(tenant)) {
    return done(
        Error{ErrorCode::kInvalidRequest, "no tenant is named \"" + tenant + "\" in the configuration", "tenant", 0});
  }
  caf::anon_send(state_->supervisor, CancelTenant{std::move(tenant), State::reply_to(std::move(done))});
}

void ActorService::clamp(std::optional<std::uint32_t> max_tokens) {
  state_->env->status.max_tokens_max.store(max_tokens.value_or(0));
}

Status ActorService::switch_caches(CacheSwitches switches) {
  ServiceEnv& env = *state_->env;
  if (switches.result_cache && env.status.result_cache_bytes.load() == 0) {
    return Error{ErrorCode::kInvalidRequest, "the result cache is off in the configuration: cache.enabled", "", 0};
  }
  if (switches.prefix_cache && !env.options.prefix_cache) {
    return Error{ErrorCode::kInvalidRequest, "the prefix cache is off in the configuration: kv.prefix_cache", "", 0};
  }
  env.status.uses_result_cache.store(switches.result_cache);
  env.status.shares_prefixes.store(switches.prefix_cache);
  caf::anon_send(state_->supervisor, SharePrefixes{switches.prefix_cache});
  return {};
}

CacheSwitches ActorService::caches() const {
  const ServiceEnv& env = *state_->env;
  return {env.status.has_result_cache(), env.options.prefix_cache && env.status.shares_prefixes.load()};
}

void ActorService::state(Done<ServiceState> done) {
  caf::anon_send(state_->supervisor, AskState{State::reply_to(std::move(done))});
}

void ActorService::trim(Done<TrimReport> done) {
  caf::anon_send(state_->supervisor, Trim{State::reply_to(std::move(done))});
}

Status ActorService::can_retune(const ServiceTuning& tuning) const { return state_->env->tenants.fits(tuning.tenants); }

void ActorService::retune(const ServiceTuning& tuning) {
  ServiceEnv& env = *state_->env;
  env.metrics().name_tenants(env.tenants.use(tuning.tenants));
  ServiceStatus& status = env.status;
  status.stall.store(tuning.stall);
  status.result_cache_bytes.store(tuning.result_cache_bytes);
  caf::anon_send(state_->supervisor, CacheBudget{tuning.result_cache_bytes});
}

std::uint32_t ActorService::live_requests() const { return state_->env->status.live.load(); }

const RunnerInfo& ActorService::runner_info() const { return state_->env->runner; }

}  // namespace troupe
