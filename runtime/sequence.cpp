#include "runtime/sequence.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace troupe {

Sequence::Sequence(SequenceRequest taken, std::uint32_t output_bound, std::uint64_t enqueue_number, std::uint64_t step)
    : request(std::move(taken)),
      tokens(std::exchange(request.prompt, {})),
      prompt_size(static_cast<std::uint32_t>(tokens.size())),
      output_max(output_bound),
      number(enqueue_number),
      first_step(step),
      admitted_step(step),
      scored(request.scored) {
  if (has_penalty()) {
    history.reserve(tokens.size() + request.emitted.size());
    for (TokenId token : tokens) history.push_back({token, 0, 1});
    auto by_token = [](const TokenHistory& a, const TokenHistory& b) { return a.token < b.token; };
    auto same = [](const TokenHistory& a, const TokenHistory& b) { return a.token == b.token; };
    std::sort(history.begin(), history.end(), by_token);
    history.erase(std::unique(history.begin(), history.end(), same), history.end());
  }
  for (TokenId token : std::exchange(request.emitted, {})) append(token);
}

bool Sequence::has_penalty() const {
  const SamplingParams& sampling = request.sampling;
  return sampling.repetition_penalty != 1.0F || sampling.presence_penalty != 0.0F || sampling.frequency_penalty != 0.0F;
}

bool Sequence::stops_at(TokenId token) const {
  return std::binary_search(request.stop_tokens.begin(), request.stop_tokens.end(), token);
}

Stage Sequence::stage() const {
  if (!was_scheduled) return Stage::kQueue;
  return output_size() == 0 ? Stage::kPrefill : Stage::kDecode;
}

void Sequence::append(TokenId token) {
  tokens.push_back(token);
  if (!has_penalty()) return;
  auto at = std::lower_bound(history.begin(), history.end(), token,
                             [](const TokenHistory& entry, TokenId value) { return entry.token < value; });
  if (at == history.end() || at->token != token) at = history.insert(at, {token, 0, 0});
  ++at->output_count;
}

void Sequence::forget_kv() {
  blocks.clear();
  planned = computed = published = 0;
}

bool goes_before(const Sequence& a, const Sequence& b) {
  return std::tuple(b.request.priority, a.request.due, a.request.arrived, a.number) <
         std::tuple(a.request.priority, b.request.due, b.request.arrived, b.number);
}

bool has_turn_before(const Sequence& a, const Sequence& b) {
  if (a.request.priority == b.request.priority && a.tenant->served != b.tenant->served) {
    return a.tenant->served < b.tenant->served;
  }
  return goes_before(a, b);
}

}  // namespace troupe
