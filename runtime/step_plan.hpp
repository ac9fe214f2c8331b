#pragma once
// What an executor computes in one step, and what comes back: flat, versioned records of numbers that can cross a
// pipe or a network as they are (encode/decode). Slices are [begin, begin + count) into the plan's own arrays.
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/request.hpp"
#include "runtime/result.hpp"

namespace troupe {

inline constexpr std::uint32_t kStepPlanVersion = 3;
inline constexpr std::uint32_t kBlockSize = 16;  // tokens of one KV block
inline constexpr std::uint32_t kNoIndex = 0xFFFFFFFFU;
inline constexpr std::uint32_t kHashLogits = 1;  // StepPlan::flags: fill RowResult::logits_hash

enum class RowKind : std::uint32_t { kGenerate = 0, kEmbed = 1 };

struct Slice {
  std::uint32_t begin = 0;
  std::uint32_t count = 0;
};
constexpr bool is_inside(const Slice& slice, std::size_t size) {
  return slice.begin <= size && slice.count <= size - slice.begin;
}
template <class T>
std::span<const T> slice_of(const std::vector<T>& values, const Slice& slice) {  // which is inside
  return std::span(values).subspan(slice.begin, slice.count);
}

// One sequence's part of a step: `tokens` new positions starting at `position`, all their K/V written to the blocks
// of `blocks`, and a token sampled after the last one when `sampling` is an index.
struct StepRow {
  RequestId sequence = 0;
  RowKind kind = RowKind::kGenerate;
  std::uint32_t position = 0;         // of the first token of this row
  Slice tokens;                       // into StepPlan::tokens, count >= 1
  std::uint32_t from_previous = 0;    // 1: the (single) token is the one the step before sampled for this sequence;
                                      // its entry in `tokens` is then -1
  Slice blocks;                       // into StepPlan::blocks: block i holds positions [16 i, 16 i + 16)
  std::uint32_t sampling = kNoIndex;  // into StepPlan::sampling; kNoIndex: a chunk of a prompt that is not its end
  std::uint32_t adapter = 0;          // reserved, 0
  std::uint32_t mask = kNoIndex;      // reserved
  Slice draft;                        // reserved, empty
  // Of a row that generates, from a prompt whose own tokens are to be judged:
  Slice targets;                          // into StepPlan::targets: entry i is the token after the row's position i
  std::uint32_t target_alternatives = 0;  // how many tokens to report beside each
  // Of a row that embeds, which has neither from_previous nor sampling:
  Pooling pooling = Pooling::kNone;
  std::uint32_t sum = kNoIndex;  // kMean: the running sum that is the sequence's, below rows_max. A row at position 0
                                 // begins it anew; so every position of the input has to be computed.
  std::uint32_t is_end = 0;      // 1: the input ends with this row, and its vector is wanted

  bool samples() const { return sampling != kNoIndex; }
};

// How the token after a row is drawn. A pure function of the logits, these values and the sequence's own tokens.
struct RowSampling {
  float temperature = 0.0F;
  float top_p = 1.0F;
  float min_p = 0.0F;
  float typical_p = 1.0F;
  float repetition_penalty = 1.0F;
  float presence_penalty = 0.0F;
  float frequency_penalty = 0.0F;
  std::uint32_t top_k = 0;
  std::uint32_t choice = 0;
  std::uint64_t seed = 0;
  std::uint32_t position = 0;  // index of the token to draw in the output, from 0: the RNG's counter
  std::int32_t logprobs = -1;  // -1 none, else how many alternatives to report
  Slice bias;                  // into StepPlan::bias
  Slice banned;                // into StepPlan::banned: never sampled at this position (min_tokens)
  Slice history;               // into StepPlan::history; only when a penalty is not neutral. A token that
                               // from_previous stands for is not in it: the runner adds it itself.
};
struct TokenBias {
  TokenId token = 0;
  float bias = 0.0F;
};
struct TokenHistory {
  TokenId token = 0;
  std::uint32_t output_count = 0;  // times in the output so far
  std::uint32_t in_prompt = 0;     // 1 when the prompt has it
};

struct StepPlan {
  std::uint32_t version = kStepPlanVersion;
  std::uint32_t flags = 0;
  std::uint64_t step = 0;  // ascending; results come back in this order
  std::vector<StepRow> rows;
  std::vector<TokenId> tokens;
  std::vector<std::uint32_t> blocks;
  std::vector<RowSampling> sampling;
  std::vector<TokenBias> bias;
  std::vector<TokenId> banned;
  std::vector<TokenHistory> history;
  std::vector<TokenId> targets;

  void clear() {
    flags = 0, step = 0;
    rows.clear(), tokens.clear(), blocks.clear(), sampling.clear(), bias.clear(), banned.clear(), history.clear();
    targets.clear();
  }
};

struct TopToken {
  TokenId token = 0;
  float logprob = 0.0F;
  friend bool operator==(const TopToken&, const TopToken&) = default;
};
struct TokenScore {
  float logprob = 0.0F;    // as RowResult::logprob
  std::uint32_t rank = 0;  // 1 + the number of likelier tokens
  Slice top;               // into StepResult::top, descending
};
enum class RowOutcome : std::uint32_t {
  kSampled = 0,
  kNoToken = 1,
  kNotFinite = 2,  // fails that request
  kPooled = 3,     // a vector
};
struct RowResult {
  RequestId sequence = 0;
  RowOutcome outcome = RowOutcome::kNoToken;
  TokenId token = -1;
  float logprob = 0.0F;  // natural log, of the distribution before temperature and filters; valid when asked for
  Slice top;             // into StepResult::top, descending
  std::uint64_t logits_hash = 0;  // FNV-1a over the row's float bits when kHashLogits is set
  Slice vector;                   // into StepResult::values, of length 1; kPooled
  Slice scores;                   // into StepResult::scores, of the row's targets; none with kNotFinite
};
// Rows stand in the plan's order; a row that neither samples nor ends an input gets kNoToken.
struct StepResult {
  std::uint32_t version = kStepPlanVersion;
  std::uint64_t step = 0;
  std::uint64_t compute_ns = 0;
  std::vector<RowResult> rows;
  std::vector<TopToken> top;
  std::vector<float> values;
  std::vector<TokenScore> scores;

  void clear() { step = 0, compute_ns = 0, rows.clear(), top.clear(), values.clear(), scores.clear(); }
};

// Little-endian bytes, length-prefixed arrays. Decoding checks version, every slice and every count against the
// bytes that are there; a record that does not fit is kInvalidRequest.
std::vector<std::uint8_t> encode(const StepPlan& plan);
std::vector<std::uint8_t> encode(const StepResult& result);
Result<StepPlan> decode_step_plan(std::span<const std::uint8_t> bytes);
Result<StepResult> decode_step_result(std::span<const std::uint8_t> bytes);

}  // namespace troupe
