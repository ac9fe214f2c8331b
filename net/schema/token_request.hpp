#pragma once
// POST /tokenize and /detokenize, in vLLM's shapes.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/doors/inference_service.hpp"
#include "runtime/doors/model_catalog.hpp"

namespace troupe {

struct TokenizeRequest {
  const ModelCard* card = nullptr;
  TokenizeJob job;
  bool want_strings = false;  // return_token_strs
};
struct DetokenizeRequest {
  const ModelCard* card = nullptr;
  std::vector<TokenId> tokens;
};

Result<TokenizeRequest> parse_tokenize(std::string_view body, const ModelCatalog& catalog);
Result<DetokenizeRequest> parse_detokenize(std::string_view body, const ModelCatalog& catalog);

// {"count","max_model_len","tokens","token_strs"} and {"prompt"}
std::string tokenize_answer(const TokenizeRequest& request, std::span<const TokenId> tokens);
std::string detokenize_answer(std::string_view text);

}  // namespace troupe
