#pragma once
// Which of a prompt's choices are shown.
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/doors/response_stream.hpp"

namespace troupe {

// Of every `choices` answers to one prompt the `shown` whose tokens are likeliest on average, the best first; as they
// are, when all are shown. An answer without tokens is the last choice. `answers` holds whole prompts, with logprobs.
std::vector<std::uint32_t> best_choices(std::span<const ResponseStream::Chunk> answers, std::uint32_t choices,
                                        std::uint32_t shown);

}  // namespace troupe
