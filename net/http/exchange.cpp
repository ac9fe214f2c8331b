#include "net/http/exchange.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "net/http/admin.hpp"
#include "net/http/head_rules.hpp"
#include "net/http/request_fields.hpp"
#include "net/schema/embedding_request.hpp"
#include "net/schema/error_object.hpp"
#include "net/schema/json_writer.hpp"
#include "net/schema/model_field.hpp"
#include "net/schema/model_list.hpp"
#include "net/schema/token_request.hpp"
#include "net/schema/utf8.hpp"

namespace troupe {
namespace {

constexpr std::size_t kUncountedBody = 16U << 10U;  // its parsing is over before the next one on this thread begins
constexpr std::uint64_t kTokenizeBytes = 32;        // for each byte of text: its id, and id and string as JSON
constexpr std::uint64_t kDetokenizeBytes = 64;      // for each token: its text, and that as JSON

std::string hex(std::uint64_t number) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%llx", static_cast<unsigned long long>(number));
  return digits;
}

std::string new_request_id(HttpContext& context) {
  return "req-" + context.instance + hex(context.requests.fetch_add(1, std::memory_order_relaxed) + 1);
}

void add_cors(Answer& answer, const HttpLive& live) {
  const std::string& origin = live.tuning.cors_origin;
  if (origin.empty()) return;
  answer.headers.emplace_back("Access-Control-Allow-Origin", origin);
  answer.headers.emplace_back("Access-Control-Expose-Headers", "x-request-id, retry-after");
}

void count(HttpContext& context, HttpRoute route, const Answer& answer) {
  if (context.metrics == nullptr) return;
  context.metrics->http_answered(route, answer.status);
  if (answer.error) context.metrics->error_sent(*answer.error, Protocol::kHttp);
}

const char* name_of(Readiness::State state) {
  switch (state) {
    case Readiness::State::kLoading:
      return "loading";
    case Readiness::State::kReady:
      return "ready";
    case Readiness::State::kStalled:
      return "stalled";
    case Readiness::State::kDraining:
      return "draining";
    case Readiness::State::kFailed:
      return "failed";
  }
  return "failed";
}

}  // namespace

// What a text worker answers, from its own thread. Disconnected when the exchange ends before.
struct Exchange::Reply {
  std::mutex mutex;
  std::function<void()> wake;  // empty: nobody waits any more
  std::optional<Answer> answer;
  MemoryLease memory;  // of the text, its tokens and the answer

  void set(Answer made) {
    std::lock_guard lock(mutex);
    answer = std::move(made);
    memory.shrink_to(2 * answer->body.size());  // and once more in the buffer it is written from
    if (wake) wake();
  }
};

Exchange::Exchange(HttpContext& context, RequestHead head, SteadyTime arrived, std::function<void()> wake)
    : context_(context),
      head_(std::move(head)),
      live_(context.live()),
      arrived_(arrived),
      wake_(std::move(wake)),
      request_id_(request_id_of(head_).value_or(new_request_id(context))) {}

Exchange::~Exchange() {
  if (reply_ == nullptr) return;
  std::lock_guard lock(reply_->mutex);
  reply_->wake = nullptr;
}

Exchange::Next Exchange::on_head() {
  answer_ = answer_from_head();
  if (!answer_) return match_.route->label == HttpRoute::kWebSocket ? Next::kUpgrade : Next::kReadBody;
  // A body that stays unread must not be taken for the next request.
  answer_->close = answer_->close || head_.has_body();
  return Next::kAnswer;
}

std::optional<Answer> Exchange::answer_from_head() {
  if (std::optional<Answer> refusal = refuse_head(head_, live_->tuning.limits)) return refusal;
  std::string_view path = path_of(head_.target);
  match_ = find_route(path);
  if (is_admin() && context_.options.admin.key.empty()) match_ = {};
  const Route* route = match_.route;
  if (head_.method == "OPTIONS") {
    Answer answer;
    answer.status = 204;
    answer.headers.emplace_back("Allow", route == nullptr ? "GET, HEAD, POST, OPTIONS" : route->methods);
    answer.headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
    answer.headers.emplace_back("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Request-Id, *");
    answer.headers.emplace_back("Access-Control-Max-Age", "86400");
    return answer;
  }
  if (route == nullptr || !route->is_open) {
    const ApiKeys& keys = is_admin() ? context_.admin_key : live_->keys;
    std::optional<std::string> tenant = keys.tenant_of(head_.find("Authorization"));
    if (!tenant) {
      const char* what = is_admin() ? "the operator's key is needed: Authorization: Bearer KEY"
                                    : "an API key is needed: Authorization: Bearer KEY";
      return error_answer({ErrorCode::kUnauthorized, what, "", 0});
    }
    tenant_ = std::move(*tenant);
  }
  if (route == nullptr) {
    return error_answer({ErrorCode::kNotFound, "there is nothing at " + std::string(cut_utf8(path, 256)), "", 0});
  }
  if (!route->allows(head_.method)) {
    Answer answer = error_answer({ErrorCode::kMethodNotAllowed, std::string("allowed here: ") + route->methods, "", 0});
    answer.headers.emplace_back("Allow", route->methods);
    return answer;
  }
  if (route->label == HttpRoute::kWebSocket) {
    if (equals_ignoring_case(head_.find("Upgrade"), "websocket") && head_.method == "GET" && head_.version == 11 &&
        !head_.has_body()) {
      return std::nullopt;
    }
    Answer answer =
        error_answer({ErrorCode::kInvalidRequest, "this is a WebSocket: connect with an upgrade", "", 0}, 426);
    answer.headers.emplace_back("Upgrade", "websocket");
    return answer;
  }
  return refuse_body(head_, live_->tuning.limits);
}

void Exchange::on_body(std::string body) {
  MemoryLease parsing(context_.options.memory, MemoryUse::kInput);
  if (std::uint64_t bytes = parse_bytes(body); body.size() > kUncountedBody && !parsing.grow_to(bytes)) {
    return refuse(context_.memory_refusal(MemoryUse::kInput, bytes));
  }
  switch (match_.route->label) {
    case HttpRoute::kCompletions:
      return start_generation(ApiKind::kCompletion, body);
    case HttpRoute::kChatCompletions:
      return start_generation(ApiKind::kChat, body);
    case HttpRoute::kEmbeddings:
      return start_generation(ApiKind::kEmbedding, body);
    case HttpRoute::kTokenize:
      return start_tokenize(body);
    case HttpRoute::kDetokenize:
      return start_detokenize(body);
    case HttpRoute::kAdmin:
      return start_admin(body);
    case HttpRoute::kModels:
    case HttpRoute::kHealth:
    case HttpRoute::kReady:
    case HttpRoute::kVersion:
    case HttpRoute::kStats:
    case HttpRoute::kPage:
    case HttpRoute::kWebSocket:
    case HttpRoute::kOther:
      answer_ = answer_get();
      return;
  }
}

// Everything that needs neither body nor engine.
Answer Exchange::answer_get() const {
  Answer answer;
  switch (match_.route->label) {
    case HttpRoute::kModels:
      return answer_model();
    case HttpRoute::kReady:
      return answer_ready();
    case HttpRoute::kHealth:
      answer.body = R"({"status":"ok"})";
      return answer;
    case HttpRoute::kVersion:
      answer.body = version_object(context_.options.version, context_.catalog);
      return answer;
    case HttpRoute::kStats:
      if (!context_.options.stats) break;
      answer.body = context_.options.stats();
      return answer;
    case HttpRoute::kPage:
      if (context_.options.page.empty()) break;
      answer.body = context_.options.page;
      answer.content_type = "text/html; charset=utf-8";
      return answer;
    case HttpRoute::kCompletions:
    case HttpRoute::kChatCompletions:
    case HttpRoute::kEmbeddings:
    case HttpRoute::kTokenize:
    case HttpRoute::kDetokenize:
    case HttpRoute::kWebSocket:
    case HttpRoute::kAdmin:
    case HttpRoute::kOther:
      break;
  }
  return error_answer({ErrorCode::kNotFound, std::string("this server has nothing at ") + match_.route->path, "", 0});
}

Answer Exchange::answer_model() const {
  Answer answer;
  if (match_.model.empty()) {
    answer.body = model_list(context_.catalog);
    return answer;
  }
  const ModelCard* card = context_.catalog.find(match_.model);
  if (card == nullptr) return error_answer(model_not_found(match_.model));
  answer.body = model_object(*card);
  return answer;
}

Answer Exchange::answer_ready() const {
  Readiness readiness = context_.service.readiness();
  Answer answer;
  answer.status = readiness.state == Readiness::State::kReady ? 200 : 503;
  JsonWriter json(answer.body);
  json.begin_object().field("status", name_of(readiness.state));
  json.field("stage", readiness.stage).field("message", readiness.message).end_object();
  return answer;
}

void Exchange::start_generation(ApiKind kind, std::string_view body) {
  RequestOrigin origin;
  origin.catalog = &context_.catalog;
  origin.external_id = request_id_;
  origin.tenant = tenant_;
  origin.route = match_.route->path;
  origin.arrived = arrived_;
  origin.cache = cache_policy_of(head_);
  Result<std::optional<std::uint32_t>> timeout = timeout_of(head_);
  if (!timeout) return refuse(timeout.error());
  origin.timeout_ms = *timeout;
  Result<ApiRequest> request =
      kind == ApiKind::kEmbedding ? parse_embedding_request(body, origin) : parse_request(kind, body, origin);
  if (!request) return refuse(request.error());
  if (context_.metrics != nullptr) context_.metrics->request_choices.observe(request->sequences.size());
  generation_ = std::make_unique<Generation>(std::move(request).value(), context_.service, context_.clock, wake_);
  generation_->submit();
}

// `bytes`: that job and answer may take. False: there are not so many, and that is the answer.
bool Exchange::begin_reply(std::uint64_t bytes) {
  auto reply = std::make_shared<Reply>();
  reply->wake = wake_;
  reply->memory = MemoryLease(context_.options.memory, MemoryUse::kAnswers);
  if (!reply->memory.grow_to(bytes)) {
    refuse(context_.memory_refusal(MemoryUse::kAnswers, bytes));
    return false;
  }
  reply_ = std::move(reply);
  return true;
}

void Exchange::start_tokenize(std::string_view body) {
  Result<TokenizeRequest> parsed = parse_tokenize(body, context_.catalog);
  if (!parsed) return refuse(parsed.error());
  if (!begin_reply(kTokenizeBytes * body.size())) return;
  TokenizeRequest request = std::move(parsed).value();
  TokenizeJob job = std::move(request.job);
  context_.service.tokenize(std::move(job), [reply = reply_, request](Result<std::vector<TokenId>> tokens) {
    if (!tokens) return reply->set(error_answer(tokens.error()));
    Answer answer;
    answer.body = tokenize_answer(request, *tokens);
    reply->set(std::move(answer));
  });
}

void Exchange::start_detokenize(std::string_view body) {
  Result<DetokenizeRequest> parsed = parse_detokenize(body, context_.catalog);
  if (!parsed) return refuse(parsed.error());
  if (!begin_reply(kDetokenizeBytes * parsed->tokens.size())) return;
  context_.service.detokenize(std::move(parsed).value().tokens, [reply = reply_](Result<std::string> text) {
    if (!text) return reply->set(error_answer(text.error()));
    Answer answer;
    answer.body = detokenize_answer(*text);
    reply->set(std::move(answer));
  });
}

bool Exchange::is_admin() const { return match_.route != nullptr && match_.route->label == HttpRoute::kAdmin; }

void Exchange::start_admin(std::string_view body) {
  begin_reply(0);
  answer_admin(context_.options.admin, context_.metrics, match_.route->path, body,
               [reply = reply_](Answer answer) { reply->set(std::move(answer)); });
}

Exchange::State Exchange::poll() {
  if (answer_) return State::kAnswer;
  if (reply_ != nullptr) {
    std::lock_guard lock(reply_->mutex);
    answer_ = std::move(reply_->answer);
    reply_->answer.reset();
    return answer_ ? State::kAnswer : State::kWaiting;
  }
  if (generation_ == nullptr) return State::kWaiting;
  switch (generation_->poll()) {
    case Generation::State::kWaiting:
      return State::kWaiting;
    case Generation::State::kRefused:
      refuse(*generation_->failure());
      return State::kAnswer;
    case Generation::State::kAnswered:
      return State::kAnswer;
    case Generation::State::kStreaming:
      return State::kEvents;
  }
  return State::kWaiting;
}

Answer Exchange::take_answer() {
  Answer answer;
  if (answer_) {
    answer = std::move(*answer_);
    answer_.reset();
  } else {
    bool is_chat = match_.route->label == HttpRoute::kChatCompletions;
    generation_->set_format((is_chat ? "chatcmpl-" : "cmpl-") + context_.instance + hex(generation_->id()),
                            context_.unix_time(), live_->tuning.guide_compat);
    if (generation_->poll() == Generation::State::kAnswered) {
      generation_->append_answer(answer.body);
    } else {
      answer.content_type = "text/event-stream; charset=utf-8";
      answer.headers.emplace_back("Cache-Control", "no-cache, no-transform");
      answer.headers.emplace_back("X-Accel-Buffering", "no");
      answer.kind = head_.version == 10 ? Answer::Body::kToClose : Answer::Body::kChunked;
      answer.close = head_.version == 10;
    }
  }
  finish_answer(answer);
  return answer;
}

void Exchange::finish_answer(Answer& answer) const {
  answer.headers.emplace_back("x-request-id", request_id_);
  if (!is_admin()) add_cors(answer, *live_);  // no page has business there
  if (head_.method == "HEAD") answer.kind = Answer::Body::kOmitted;
  count(context_, match_.route == nullptr ? HttpRoute::kOther : match_.route->label, answer);
  if (answer.error && generation_ == nullptr && context_.options.access_log != nullptr) log_refusal(answer);
}

// Sequences are logged where they end; this one never was any.
void Exchange::log_refusal(const Answer& answer) const {
  AccessRecord record;
  record.at = std::chrono::system_clock::now();
  record.request_id = request_id_;
  record.route = match_.route == nullptr ? "other" : match_.route->path;
  record.tenant = tenant_label(tenant_);
  record.outcome = "refused";
  record.reason = name_of(*answer.error);
  record.status = answer.status;
  record.total = context_.clock() - arrived_;
  record.stages[Stage::kReceive] = record.total;
  context_.options.access_log->ended(std::move(record));
}

bool Exchange::append_events(std::string& out) {
  bool ended = generation_->append_events(out);
  if (ended && generation_->failure() != nullptr && context_.metrics != nullptr) {
    context_.metrics->error_sent(generation_->failure()->code, Protocol::kHttp);
  }
  return ended;
}

void Exchange::refuse(const Error& error) { answer_ = error_answer(error); }

void Exchange::cancel(CancelReason reason) {
  if (generation_ != nullptr) generation_->cancel(reason);
}

Answer refuse_bytes(HttpContext& context, const Error& error, int status) {
  Answer answer = error_answer(error, status);
  answer.close = true;
  answer.headers.emplace_back("x-request-id", new_request_id(context));
  add_cors(answer, *context.live());
  count(context, HttpRoute::kOther, answer);
  return answer;
}

}  // namespace troupe
