#pragma once
// The fields that /v1/completions and /v1/chat/completions have in common.
#include "net/schema/api_request.hpp"
#include "net/schema/json_fields.hpp"
#include "net/schema/serving_fields.hpp"

namespace troupe {

struct SharedFields {
  SamplingParams sampling;
  StopRules stop;  // but max_tokens, whose name and default differ
  std::uint32_t choices = 1;
  bool stream = false;
  bool include_usage = false;
  ServingFields serving;
};

// What is wrong is left in the reader's error. `card` bounds ids and lengths.
SharedFields read_shared_fields(JsonFields& fields, std::optional<Error>& error, const ModelCard& card);

// One of the fields that limit the output, if it is there: at least `min`. More than the context holds is
// kContextLengthExceeded.
std::optional<std::uint32_t> read_max_tokens(JsonFields& fields, const char* name, std::int64_t min,
                                             const ModelCard& card);

// min_tokens must not exceed max_tokens (0: no limit), which is known last.
void check_min_tokens(JsonFields& fields, const StopRules& stop);

}  // namespace troupe
