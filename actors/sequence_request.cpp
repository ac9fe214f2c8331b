#include "actors/sequence_request.hpp"

#include <algorithm>
#include <string>

namespace troupe {
namespace {

Error invalid(std::string message, const char* param) {
  return {ErrorCode::kInvalidRequest, std::move(message), param, 0};
}

Status check_token(TokenId token, const ModelBounds& model, const char* param) {
  if (token >= 0 && static_cast<std::uint32_t>(token) < model.vocab_size) return {};
  return invalid(std::string(param) + " has token id " + std::to_string(token) + "; this model has ids 0 to " +
                     std::to_string(model.vocab_size - 1),
                 param);
}

Status check_tokens(const Request& request, std::span<const TokenId> prompt, const ModelBounds& model) {
  const char* field = request.embeds() ? "input" : "prompt";
  if (prompt.empty()) return invalid("the " + std::string(field) + " has no tokens", field);
  for (TokenId token : prompt) {
    if (Status ok = check_token(token, model, field); !ok) return ok;
  }
  for (const auto& [token, bias] : request.sampling.logit_bias) {
    if (Status ok = check_token(token, model, "logit_bias"); !ok) return ok;
  }
  for (TokenId token : request.stop.stop_token_ids) {
    if (Status ok = check_token(token, model, "stop_token_ids"); !ok) return ok;
  }
  return {};
}

// The choice of an embedding is its index in the list that was asked for.
Status check_embedding(const Request& request, std::size_t input, const ModelBounds& model) {
  if (model.embedding_size == 0) {
    return Error{ErrorCode::kUnsupported, "this model makes no embeddings", "model", 0};
  }
  if (input <= model.context_length) return {};
  return Error{ErrorCode::kContextLengthExceeded,
               "input[" + std::to_string(request.choice) + "] has " + std::to_string(input) +
                   " tokens; this model's context is " + std::to_string(model.context_length) + " tokens",
               "input", 0};
}

Status check_length(const Request& request, std::size_t prompt, const ModelBounds& model) {
  if (request.embeds()) return check_embedding(request, prompt, model);
  std::uint64_t output = request.only_prompt ? 0 : std::max(request.stop.max_tokens, 1U);
  if (prompt + output <= model.context_length) return {};
  return Error{ErrorCode::kContextLengthExceeded,
               "the prompt has " + std::to_string(prompt) + " tokens and max_tokens is " +
                   std::to_string(request.stop.max_tokens) + "; this model's context is " +
                   std::to_string(model.context_length) + " tokens",
               prompt >= model.context_length ? "prompt" : "max_tokens", 0};
}

std::vector<TokenId> stop_tokens(const StopRules& stop, const ModelBounds& model) {
  std::vector<TokenId> tokens = stop.stop_token_ids;
  if (!stop.ignore_eos) tokens.insert(tokens.end(), model.end_of_generation.begin(), model.end_of_generation.end());
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  return tokens;
}

// Prefixes are shared within one tenant and salt. The length keeps ("a", "bc") and ("ab", "c") apart.
std::string cache_key(const Request& request) {
  return std::to_string(request.tenant.size()) + ':' + request.tenant + request.cache_salt;
}

}  // namespace

Result<SequenceRequest> sequence_request(const Request& request, std::vector<TokenId> prompt,
                                         const ModelBounds& model) {
  if (Status ok = check_tokens(request, prompt, model); !ok) return ok.error();
  if (Status ok = check_length(request, prompt.size(), model); !ok) return ok.error();
  SequenceRequest sequence;
  sequence.id = request.id;
  sequence.pooling = request.pooling;
  sequence.max_tokens = request.stop.max_tokens > 0 ? request.stop.max_tokens
                                                    : model.context_length - static_cast<std::uint32_t>(prompt.size());
  if (request.embeds()) sequence.max_tokens = 1;
  if (request.only_prompt) sequence.max_tokens = 0;
  sequence.prompt = std::move(prompt);
  sequence.sampling = request.sampling;
  sequence.choice = request.choice;
  sequence.logprobs = request.logprobs;
  sequence.prompt_logprobs = request.prompt_logprobs;
  sequence.min_tokens = request.stop.min_tokens;
  sequence.stop_tokens = stop_tokens(request.stop, model);
  sequence.cache_key = cache_key(request);
  sequence.tenant = request.tenant.empty() ? request.user : request.tenant;
  sequence.priority = request.priority;
  sequence.arrived = request.arrived;
  sequence.deadline = request.deadline;
  return sequence;
}

}  // namespace troupe
