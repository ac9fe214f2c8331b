#include "net/ws/ws_conversation.hpp"

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

// What an answer cannot have that is sent token by token and nothing else.
Status check_streamable(const ApiRequest& request) {
  auto refusal = [](const char* field) {
    return Error{ErrorCode::kUnsupported, std::string(field) + " is not supported over WebSocket", field, 0};
  };
  if (request.echo) return refusal("echo");
  if (request.prompt_logprobs >= 0) return refusal("prompt_logprobs");
  if (request.choices_per_prompt != request.shown_per_prompt) return refusal("best_of");
  return {};
}

}  // namespace

WsConversation::WsConversation(const WsContext& context, std::function<void()> wake)
    : context_(context), wake_(std::move(wake)) {}

void WsConversation::handle(std::string_view text) {
  WsClientMessage parsed = parse_ws_message(text);
  if (!parsed.message.ok()) return reply_error(parsed.id, parsed.message.error());
  auto& message = parsed.message.value();
  if (auto* wanted = std::get_if<WsSubmit>(&message)) return submit(parsed.id, *wanted);
  if (std::holds_alternative<WsCancel>(message)) return cancel(parsed.id);
  replies_.push_back(ws_pong());
}

void WsConversation::submit(const std::string& id, const WsSubmit& wanted) {
  // Without the id: it belongs to the generation that is running.
  if (find(id) != nullptr) {
    return reply_error({}, {ErrorCode::kInvalidRequest, "id names a generation that is still running", "id", 0});
  }
  if (is_draining_) return reply_error(id, {ErrorCode::kShuttingDown, "the server is shutting down", "", 1});
  if (generations_.size() >= context_.limits.generations_max) {
    return reply_error(id, too_many(std::to_string(context_.limits.generations_max) + " generations"));
  }
  RequestOrigin origin;
  origin.catalog = context_.catalog;
  origin.external_id = context_.request_id + "-" + std::to_string(++submitted_);
  origin.tenant = context_.tenant;
  origin.route = "/v1/ws";
  origin.arrived = context_.clock();
  auto request = parse_request(wanted.kind, wanted.request, origin);
  if (!request.ok()) return reply_error(id, request.error());
  if (Status fits = check_streamable(*request); !fits) return reply_error(id, fits.error());
  if (request->sequences.size() > context_.limits.choices_max - turns_.size()) {
    return reply_error(id, too_many(std::to_string(context_.limits.choices_max) + " choices"));
  }
  if (context_.metrics != nullptr) context_.metrics->request_choices.observe(request->sequences.size());
  start(id, origin.external_id, std::move(request).value());
}

void WsConversation::start(const std::string& id, const std::string& request_id, ApiRequest request) {
  WsGenerationFacts facts;
  facts.id = id;
  facts.request_id = request_id;
  facts.model = request.card->name;
  facts.choices_per_prompt = request.choices_per_prompt;
  facts.logprobs = request.logprobs;
  facts.codec = request.card->codec.get();
  std::vector<std::shared_ptr<ResponseStream>> streams;
  for (Request& sequence : request.sequences) streams.push_back(context_.service->submit(std::move(sequence)));

  generations_.push_back(std::make_unique<Running>(WsGeneration(std::move(facts), std::move(streams))));
  Running* running = generations_.back().get();
  for (std::uint32_t i = 0; i < running->generation.choices(); ++i) {
    turns_.push_back({running, i});
    // Unset before `running` and this conversation go: see forget and end.
    running->generation.stream(i).on_change([this, running, i] {
      running->changed[i].store(true);
      wake_();
    });
    running->changed[i].store(true);  // what happened before anyone listened
  }
}

void WsConversation::cancel(const std::string& id) {
  if (Running* running = find(id)) return running->generation.cancel(CancelReason::kClientAsked);
  reply_error(id, {ErrorCode::kNotFound, "no generation of this id is running; it may just have ended", "id", 0});
}

WsConversation::Running* WsConversation::find(std::string_view id) {
  for (const auto& running : generations_) {
    if (running->generation.id() == id) return running.get();
  }
  return nullptr;
}

void WsConversation::reply_error(std::string_view id, const Error& error) {
  if (context_.metrics != nullptr) context_.metrics->error_sent(error.code, Protocol::kWebSocket);
  replies_.push_back(ws_error(id, error));
}

Error WsConversation::too_many(std::string what) const {
  return {ErrorCode::kQueueFull, "a connection may have " + std::move(what) + " running; this would be more", "",
          context_.service->retry_after_s()};
}

bool WsConversation::next(std::string& message) {
  while (replies_.empty()) {
    if (!read_one()) return false;
  }
  message = std::move(replies_.front());
  replies_.pop_front();
  return true;
}

// Reads the first choice in turn that has changed; false when none has.
bool WsConversation::read_one() {
  for (std::size_t looked = 0; looked < turns_.size(); ++looked) {
    Turn turn = turns_[turn_++ % turns_.size()];
    // Unset before reading: what changes from now on sets it again.
    if (!turn.running->changed[turn.choice].exchange(false)) continue;
    WsGeneration& generation = turn.running->generation;
    std::vector<std::string> messages;
    generation.read(turn.choice, messages);
    std::move(messages.begin(), messages.end(), std::back_inserter(replies_));
    if (generation.is_ended()) forget(turn.running);
    return true;
  }
  return false;
}

void WsConversation::forget(Running* running) {
  WsGeneration& generation = running->generation;
  if (generation.error() != nullptr && context_.metrics != nullptr) {
    context_.metrics->error_sent(generation.error()->code, Protocol::kWebSocket);
  }
  for (std::uint32_t i = 0; i < generation.choices(); ++i) generation.stream(i).on_change({});
  std::erase_if(turns_, [&](const Turn& turn) { return turn.running == running; });
  std::erase_if(generations_, [&](const auto& one) { return one.get() == running; });
}

void WsConversation::end(CancelReason reason) {
  for (const auto& running : generations_) {
    for (std::uint32_t i = 0; i < running->generation.choices(); ++i) running->generation.stream(i).on_change({});
    running->generation.cancel(reason);
  }
  generations_.clear();
  turns_.clear();
  replies_.clear();
  is_draining_ = true;
}

}  // namespace troupe
