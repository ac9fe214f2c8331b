#include "net/schema/api_request.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <numeric>

#include "net/schema/json_parse.hpp"
#include "net/schema/model_field.hpp"
#include "net/schema/prompt_field.hpp"
#include "net/schema/sampling_fields.hpp"
#include "net/schema/unsupported_fields.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t kCompletionMaxTokens = 16;  // OpenAI's default; a chat may fill the context instead

// Completions say how many alternatives they want, chats whether and how many. -1: none of it.
std::int32_t read_logprobs(JsonFields& fields, ApiKind kind) {
  if (kind == ApiKind::kCompletion) {
    return static_cast<std::int32_t>(fields.integer("logprobs", 0, kLogprobsMax, -1));
  }
  bool wanted = fields.boolean("logprobs", false);
  auto top = static_cast<std::int32_t>(fields.integer("top_logprobs", 0, kLogprobsMax, 0));
  if (top > 0 && !wanted) fields.refuse("top_logprobs", " needs logprobs to be true");
  return wanted ? top : -1;
}

// Of a completion; 0 with echo: the prompt alone is the answer.
std::uint32_t read_completion_limit(JsonFields& fields, bool echo, const ModelCard& card) {
  return read_max_tokens(fields, "max_tokens", echo ? 0 : 1, card).value_or(kCompletionMaxTokens);
}

// 0: as many as the context allows.
std::uint32_t read_chat_limit(JsonFields& fields, const ModelCard& card) {
  std::optional<std::uint32_t> limit = read_max_tokens(fields, "max_tokens", 1, card);
  std::optional<std::uint32_t> newer_name = read_max_tokens(fields, "max_completion_tokens", 1, card);
  return newer_name.value_or(limit.value_or(0));
}

std::uint32_t read_best_of(JsonFields& fields, const SharedFields& shared) {
  std::uint32_t best_of = static_cast<std::uint32_t>(fields.integer("best_of", 1, kChoicesMax, shared.choices));
  if (best_of < shared.choices) {
    fields.refuse("best_of", " is " + std::to_string(best_of) + "; it must not be less than n, which is " +
                                 std::to_string(shared.choices));
  }
  if (best_of > shared.choices && shared.stream) fields.refuse("best_of", " cannot be streamed unless it is n");
  return best_of;
}

std::int32_t read_prompt_logprobs(JsonFields& fields, bool stream) {
  auto alternatives = static_cast<std::int32_t>(fields.integer("prompt_logprobs", 0, kLogprobsMax, -1));
  if (alternatives >= 0 && stream) fields.refuse("prompt_logprobs", " cannot be streamed");
  return alternatives;
}

// Every prompt is copied for each of its choices.
void check_copies(JsonFields& fields, const std::vector<PromptInput>& prompts, std::uint32_t choices) {
  std::size_t sequences = prompts.size() * choices;
  if (sequences > kSequencesMax) {
    fields.refuse("n", " (or best_of) times the number of prompts is " + std::to_string(sequences) + "; at most " +
                           std::to_string(kSequencesMax) + " are allowed");
  }
  std::size_t bytes =
      std::accumulate(prompts.begin(), prompts.end(), std::size_t{0},
                      [](std::size_t sum, const PromptInput& prompt) { return sum + bytes_of(prompt); });
  if (bytes * choices > kPromptCopiesMax) {
    fields.refuse("n", " times the size of the prompts is more than " + std::to_string(kPromptCopiesMax) + " bytes");
  }
}

}  // namespace

Result<ApiRequest> parse_request(ApiKind kind, const boost::json::value& body, const RequestOrigin& origin) {
  if (!body.is_object()) return Error{ErrorCode::kInvalidRequest, "a request must be a JSON object", "", 0};
  std::optional<Error> error;
  JsonFields fields(body.get_object(), error);
  const ModelCard* card = read_model(fields, error, *origin.catalog);
  if (card == nullptr) return *error;

  refuse_unsupported(fields);
  SharedFields shared = read_shared_fields(fields, error, *card);
  ApiRequest request;
  request.kind = kind;
  request.card = card;
  request.shown_per_prompt = request.choices_per_prompt = shared.choices;
  request.stream = shared.stream;
  request.include_usage = shared.include_usage;
  std::int32_t logprobs = read_logprobs(fields, kind);
  request.logprobs = logprobs >= 0;
  request.prompt_logprobs = read_prompt_logprobs(fields, shared.stream);
  std::vector<PromptInput> prompts;
  if (kind == ApiKind::kCompletion) {
    request.echo = fields.boolean("echo", false);
    request.choices_per_prompt = read_best_of(fields, shared);
    shared.stop.max_tokens = read_completion_limit(fields, request.echo, *card);
    refuse_chat_fields(fields);
    prompts = read_prompts(fields, {"prompt", kPromptsMax}, *card);
  } else {
    refuse_completion_fields(fields);
    shared.stop.max_tokens = read_chat_limit(fields, *card);
    prompts.emplace_back(read_chat_prompt(fields, error, *card));
  }
  check_min_tokens(fields, shared.stop);
  check_copies(fields, prompts, request.choices_per_prompt);
  if (error) return *error;

  bool is_judged = request.choices_per_prompt > request.shown_per_prompt;
  request.sequences.reserve(prompts.size() * request.choices_per_prompt);
  auto add = [&](std::uint32_t choice, PromptInput prompt) {
    Request& sequence = request.sequences.emplace_back(serving_request(shared.serving, origin, *card));
    sequence.prompt = std::move(prompt);
    sequence.sampling = shared.sampling;
    sequence.stop = shared.stop;
    sequence.choice = choice;
    sequence.logprobs = is_judged ? std::max(logprobs, 0) : logprobs;
    sequence.echo = request.echo;
    sequence.prompt_logprobs = std::max(request.prompt_logprobs, request.echo ? logprobs : -1);
    sequence.only_prompt = kind == ApiKind::kCompletion && shared.stop.max_tokens == 0;
  };
  for (PromptInput& prompt : prompts) {
    std::uint32_t last = request.choices_per_prompt - 1;
    for (std::uint32_t choice = 0; choice < last; ++choice) add(choice, prompt);
    add(last, std::move(prompt));
  }
  return request;
}

Result<ApiRequest> parse_request(ApiKind kind, std::string_view body, const RequestOrigin& origin) {
  Result<boost::json::value> value = parse_json_object(body);
  if (!value) return value.error();
  return parse_request(kind, *value, origin);
}

}  // namespace troupe
