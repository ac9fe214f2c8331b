#pragma once
// A sequence as the scheduler keeps it: the tokens it has, where it stands, which KV blocks hold it. The tokens are
// all that matters for the answer; the books of blocks can be dropped at any time and made anew from them.
//
//   tokens   [0, prompt_size) prompt | output ... size()) known | `pending` more, sampled by steps in flight
//   K/V      [0, published * 16) shared by hash | ... computed) a completed step wrote it | ... planned) a step will
#include <cstdint>
#include <vector>

#include "runtime/kv_manager.hpp"
#include "runtime/scheduler.hpp"
#include "runtime/tenant_books.hpp"

namespace troupe {

struct Sequence {
  // `output_max`: the output ends there at the latest. `number` and `step` count enqueued sequences and steps.
  Sequence(SequenceRequest taken, std::uint32_t output_max, std::uint64_t number, std::uint64_t step);

  SequenceRequest request;  // without prompt and emitted: they are in `tokens`
  std::vector<TokenId> tokens;
  std::uint32_t prompt_size;
  std::uint32_t output_max;
  std::uint64_t number;
  Tenant* tenant = nullptr;

  bool is_running = false;
  bool was_scheduled = false;
  bool was_postponed = false;
  std::uint32_t cached_tokens = 0;  // of the prompt, when it was admitted first

  std::vector<BlockId> blocks;
  std::uint32_t sum = kNoIndex;  // running, with a mean: its running sum in the executor
  std::uint32_t planned = 0;
  std::uint32_t computed = 0;
  std::uint32_t published = 0;  // blocks
  std::uint32_t charged = 0;    // positions its tenant was charged for; computing one again is our affair
  std::uint32_t planned_max = 0;  // the furthest `planned` ever was: what is planned below is computed again
  BlockHash hash{};             // of the last published block, or the root

  std::uint32_t pending = 0;        // 0, 1, or 2 with two steps in flight; an embedding's vector, or the end of a
                                    // prompt that nothing is generated after, counts as a token
  std::uint64_t first_step;         // results of older steps belong to somebody else who had this id
  std::uint64_t admitted_step;      // results of older steps wrote to blocks that are no longer ours
  std::uint64_t last_step = 0;      // the last one with a row of ours
  std::uint32_t blocks_wanted = 0;  // waiting: admission failed and is not tried before so many can be had

  std::uint32_t losses = 0;         // steps of ours that an executor died in
  bool is_suspect = false;          // scheduled alone, until it has come as far as
  std::uint32_t suspect_until = 0;  // this position, which the lost step would have computed

  std::uint32_t scored = 0;  // tokens of the prompt after its first that have their score

  std::vector<TokenHistory> history;  // ascending by token; kept only with a penalty

  std::uint32_t length() const { return static_cast<std::uint32_t>(tokens.size()) + pending; }
  bool embeds() const { return request.pooling != Pooling::kNone; }
  bool ends_with_prompt() const { return !embeds() && !request.generates(); }  // it is only computed
  bool has_mean() const { return request.pooling == Pooling::kMean; }
  std::uint32_t scores_left() const { return request.prompt_logprobs < 0 ? 0 : prompt_size - 1 - scored; }
  // What the prefix cache has of a position is its K/V: neither its hidden state nor what it makes of the next token.
  bool takes_prefix_hit() const { return !has_mean() && scores_left() == 0; }
  // Positions it must have blocks for to be admitted: what is known, and the next token.
  std::uint32_t positions_wanted() const {
    return static_cast<std::uint32_t>(tokens.size()) + (request.generates() ? 1 : 0);
  }
  std::uint32_t output_size() const { return static_cast<std::uint32_t>(tokens.size()) - prompt_size; }
  std::uint32_t left() const { return length() - planned; }  // positions that are known and not yet planned
  bool ends_in_flight() const { return length() - prompt_size >= output_max; }
  bool has_penalty() const;
  bool stops_at(TokenId token) const;
  bool is_prompt() const { return left() > 1; }  // still more to compute than its newest token
  Stage stage() const;  // the one it has not yet left

  void append(TokenId token);  // one more of the output
  void forget_kv();            // after its blocks were given up
};

// Who goes first within a tenant: the higher priority, then the earlier due time, then the earlier arrival. The same
// order decides, from its other end, who is preempted; so the first sequence of all is never preempted and, as due
// times do not move (but once), nobody starves within a priority.
bool goes_before(const Sequence& a, const Sequence& b);

// The same across tenants: within a priority the one that was served least goes first.
bool has_turn_before(const Sequence& a, const Sequence& b);

// Blocks that hold `positions` positions.
constexpr std::uint32_t blocks_for(std::uint32_t positions) { return (positions + kBlockSize - 1) / kBlockSize; }

}  // namespace troupe
