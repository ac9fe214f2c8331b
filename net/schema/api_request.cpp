#include "net/schema/api_request.hpp"

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

std::uint32_t read_output_limit(JsonFields& fields, ApiKind kind, const ModelCard& card) {
  std::uint32_t limit = read_max_tokens(fields, "max_tokens", card);
  if (kind == ApiKind::kCompletion) return limit == 0 ? kCompletionMaxTokens : limit;
  std::uint32_t newer_name = read_max_tokens(fields, "max_completion_tokens", card);
  return newer_name == 0 ? limit : newer_name;
}

// Once it meant "the best n of them". Equal to n it means nothing.
void check_best_of(JsonFields& fields, std::uint32_t choices) {
  if (fields.integer("best_of", 1, kChoicesMax, choices) != static_cast<std::int64_t>(choices)) {
    fields.refuse("best_of", " other than n is not supported by this server", ErrorCode::kUnsupported);
  }
}

// Every prompt is copied for each of its choices.
void check_copies(JsonFields& fields, const std::vector<PromptInput>& prompts, std::uint32_t choices) {
  std::size_t sequences = prompts.size() * choices;
  if (sequences > kSequencesMax) {
    fields.refuse("n", " times the number of prompts is " + std::to_string(sequences) + "; at most " +
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
  shared.stop.max_tokens = read_output_limit(fields, kind, *card);
  check_min_tokens(fields, shared.stop);
  std::int32_t logprobs = read_logprobs(fields, kind);
  std::vector<PromptInput> prompts;
  if (kind == ApiKind::kCompletion) {
    check_best_of(fields, shared.choices);
    refuse_chat_fields(fields);
    prompts = read_prompts(fields, {"prompt", kPromptsMax}, *card);
  } else {
    prompts.emplace_back(read_chat_prompt(fields, error, *card));
  }
  check_copies(fields, prompts, shared.choices);
  if (error) return *error;

  ApiRequest request;
  request.kind = kind;
  request.card = card;
  request.choices_per_prompt = shared.choices;
  request.stream = shared.stream;
  request.include_usage = shared.include_usage;
  request.logprobs = logprobs >= 0;
  request.sequences.reserve(prompts.size() * shared.choices);
  for (PromptInput& prompt : prompts) {
    for (std::uint32_t choice = 0; choice < shared.choices; ++choice) {
      Request& sequence = request.sequences.emplace_back(serving_request(shared.serving, origin, *card));
      if (choice + 1 == shared.choices)
        sequence.prompt = std::move(prompt);
      else
        sequence.prompt = prompt;
      sequence.sampling = shared.sampling;
      sequence.stop = shared.stop;
      sequence.choice = choice;
      sequence.logprobs = logprobs;
    }
  }
  return request;
}

Result<ApiRequest> parse_request(ApiKind kind, std::string_view body, const RequestOrigin& origin) {
  Result<boost::json::value> value = parse_json_object(body);
  if (!value) return value.error();
  return parse_request(kind, *value, origin);
}

}  // namespace troupe
