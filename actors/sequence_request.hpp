#pragma once
// From a request and its prompt's token ids to what the batcher schedules. What only the model's vocabulary and
// context can tell is checked here, the last time before any engine state is touched.
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/request.hpp"
#include "runtime/result.hpp"
#include "runtime/scheduler.hpp"

namespace troupe {

struct ModelBounds {
  std::uint32_t context_length = 0;
  std::uint32_t vocab_size = 0;
  std::span<const TokenId> end_of_generation;  // ascending
  std::uint32_t embedding_size = 0;            // 0: no embeddings
};

// kInvalidRequest for an empty prompt or an id that is no token; kContextLengthExceeded when prompt and max_tokens
// together, or the input of an embedding alone, do not fit: nothing is cut silently; kUnsupported for an embedding
// where none are made. The request's seed is set.
Result<SequenceRequest> sequence_request(const Request& request, std::vector<TokenId> prompt, const ModelBounds& model);

}  // namespace troupe
