#pragma once
// The key of an answer in the result cache: everything that decides the answer and nothing else. Two requests with
// one key have the same answer token by token (contract 2), and no tenant sees another one's.
#include <span>
#include <string_view>

#include "runtime/doors/result_store.hpp"
#include "runtime/request.hpp"

namespace troupe {

// `prompt` is the prompt as token ids: templates and tokenizer have had their say. The seed counts only where
// tokens are drawn: a greedy request gets a random one from the service, and its answer does not depend on it.
ResultKey result_key(const Request& request, std::span<const TokenId> prompt, std::string_view numerics_class);

}  // namespace troupe
