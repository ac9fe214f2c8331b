#pragma once
// A language model for tests of the scheduler that needs no weights. Its "K/V" of a position is a hash of all tokens
// up to there, kept in the blocks a plan names; its next token is a function of that hash, the sampling parameters
// and the penalties' history. Wrong blocks, positions, prefixes or histories give wrong tokens: `answer_of` says,
// from the request alone, which are right.
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/scheduler.hpp"

namespace troupe::test {

inline constexpr TokenId kVocab = 40;
inline constexpr TokenId kStopToken = 0;

inline void check(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {  // splitmix64 of both
  std::uint64_t z = a * 0x9e3779b97f4a7c15U + b + 0x632be59bd9b4e019U;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

// What sampling depends on beside the K/V. Counts of a token are (in the output, in the prompt or not).
struct Drawing {
  std::uint64_t seed = 0, choice = 0, position = 0, bias = 0;
  bool has_penalty = false;
  std::map<TokenId, std::pair<std::uint32_t, std::uint32_t>> counts;
  std::vector<TokenId> banned;

  TokenId token(std::uint64_t kv) const {
    std::uint64_t hash = mix(mix(mix(mix(kv, seed), choice), position), bias);
    if (has_penalty) {
      for (const auto& [id, count] : counts)
        hash = mix(hash, mix(static_cast<std::uint64_t>(id), mix(count.first, count.second)));
    }
    for (;;) {
      auto id = static_cast<TokenId>(hash % kVocab);
      bool is_banned = false;
      for (TokenId other : banned) is_banned = is_banned || other == id;
      if (!is_banned) return id;
      hash = mix(hash, 1);
    }
  }
};

inline std::uint64_t hash_of_key(const std::string& cache_key) {
  std::uint64_t hash = 7;
  for (char c : cache_key) hash = mix(hash, static_cast<unsigned char>(c));
  return hash;
}

struct Answer {
  std::vector<TokenId> tokens;  // emitted ones of the request included
  FinishReason finish = FinishReason::kLength;
};

// The answer to a request, straight from the definition: no blocks, no steps.
inline Answer answer_of(const SequenceRequest& request, std::uint32_t positions_max) {
  Answer answer;
  std::uint64_t kv = hash_of_key(request.cache_key);
  Drawing drawing;
  drawing.seed = request.sampling.seed.value_or(0);
  drawing.choice = request.choice;
  for (const auto& [id, bias] : request.sampling.logit_bias) {
    drawing.bias = mix(drawing.bias, mix(static_cast<std::uint64_t>(id), static_cast<std::uint64_t>(bias * 16.0F)));
  }
  drawing.has_penalty = request.sampling.repetition_penalty != 1.0F || request.sampling.presence_penalty != 0.0F ||
                        request.sampling.frequency_penalty != 0.0F;
  for (TokenId id : request.prompt) {
    kv = mix(kv, static_cast<std::uint64_t>(id));
    drawing.counts[id].second = 1;
  }
  while (answer.tokens.size() < request.max_tokens && request.prompt.size() + answer.tokens.size() < positions_max) {
    drawing.position = answer.tokens.size();
    drawing.banned.clear();
    if (answer.tokens.size() < request.min_tokens) drawing.banned = request.stop_tokens;
    TokenId id = drawing.token(kv);
    for (TokenId stop : request.stop_tokens) {
      if (stop == id) {
        answer.finish = FinishReason::kStop;
        return answer;
      }
    }
    answer.tokens.push_back(id);
    ++drawing.counts[id].first;
    kv = mix(kv, static_cast<std::uint64_t>(id));
  }
  return answer;
}

// What a position adds to an embedding, and the embedding of a request: one value. Sums of whole numbers are exact.
inline float state_of(std::uint64_t kv) { return static_cast<float>(kv % 1000); }
inline std::vector<float> embedding_of(const SequenceRequest& request) {
  std::uint64_t kv = hash_of_key(request.cache_key);
  float sum = 0;
  for (TokenId id : request.prompt) {
    kv = mix(kv, static_cast<std::uint64_t>(id));
    sum = request.pooling == Pooling::kMean ? sum + state_of(kv) : state_of(kv);
  }
  return {sum};
}

// What the model thinks of `target` after a position, with `alternatives` beside it; and of a whole prompt.
inline PromptScore score_of(std::uint64_t kv, TokenId target, std::int32_t alternatives) {
  std::uint64_t hash = mix(kv, static_cast<std::uint64_t>(target));
  PromptScore score{-static_cast<float>(hash % 1000) / 8.0F, static_cast<std::uint32_t>(hash % kVocab) + 1, {}};
  for (std::int32_t i = 0; i < alternatives; ++i) score.top.push_back({i, -static_cast<float>((kv >> i) % 100)});
  return score;
}
inline std::vector<PromptScore> scores_of(const SequenceRequest& request) {
  std::vector<PromptScore> scores;
  std::uint64_t kv = hash_of_key(request.cache_key);
  for (std::size_t i = 0; i + 1 < request.prompt.size(); ++i) {
    kv = mix(kv, static_cast<std::uint64_t>(request.prompt[i]));
    scores.push_back(score_of(kv, request.prompt[i + 1], request.prompt_logprobs));
  }
  return scores;
}

class ScriptedModel {
 public:
  explicit ScriptedModel(std::uint32_t blocks) : kv_(std::size_t{blocks} * kBlockSize, kGarbage) {}

  void know(RequestId id, const std::string& cache_key) { keys_[id] = hash_of_key(cache_key); }

  // A fresh one after a death: nothing in its blocks.
  void restart() {
    kv_.assign(kv_.size(), kGarbage);
    sampled_.clear();
    sums_.clear();
  }

  StepResult run(const StepPlan& plan) {
    StepResult result;
    result.step = plan.step;
    std::unordered_map<RequestId, TokenId> sampled;
    for (const StepRow& row : plan.rows) {
      Slice scores{static_cast<std::uint32_t>(result.scores.size()), row.targets.count};
      std::uint64_t kv = row.position == 0 ? keys_.at(row.sequence) : slot(plan, row, row.position - 1);
      check(kv != kGarbage, "a row continues from K/V that nobody wrote");
      TokenId token = -1;
      for (std::uint32_t i = 0; i < row.tokens.count; ++i) {
        token = plan.tokens[row.tokens.begin + i];
        if (row.from_previous == 1) {
          check(token == -1, "from_previous has a token by value");
          check(sampled_step_ + 1 == plan.step && sampled_.contains(row.sequence), "the step before sampled nothing");
          token = sampled_.at(row.sequence);
        }
        check(token >= 0, "a token that is none");
        slot(plan, row, row.position + i) = kv = mix(kv, static_cast<std::uint64_t>(token));
        if (row.pooling == Pooling::kMean) add(row, row.position + i, kv);
        if (i < row.targets.count) add_score(plan, row, i, kv, result);
      }
      RowResult& out = result.rows.emplace_back();
      out.sequence = row.sequence;
      out.scores = scores;
      if (row.is_end == 1) {
        out.outcome = RowOutcome::kPooled;
        out.vector = {static_cast<std::uint32_t>(result.values.size()), 1};
        result.values.push_back(row.pooling == Pooling::kMean ? sums_.at(row.sum).value : state_of(kv));
      }
      if (row.sampling == kNoIndex) continue;
      out.outcome = RowOutcome::kSampled;
      out.token = sampled[row.sequence] = drawing_of(plan, row, token).token(kv);
    }
    sampled_ = std::move(sampled);
    sampled_step_ = plan.step;
    return result;
  }

 private:
  static constexpr std::uint64_t kGarbage = 0xdeadbeefdeadbeefU;

  // A sum belongs to one sequence, which adds its positions one by one from the first.
  struct Sum {
    RequestId sequence = 0;
    std::uint32_t positions = 0;
    float value = 0;
  };
  void add(const StepRow& row, std::uint32_t position, std::uint64_t kv) {
    Sum& sum = sums_[row.sum];
    if (position == 0) sum = {row.sequence, 0, 0};
    check(sum.sequence == row.sequence && sum.positions == position, "a running sum of somebody else, or with a gap");
    sum.value += state_of(kv);
    ++sum.positions;
  }

  static void add_score(const StepPlan& plan, const StepRow& row, std::uint32_t target, std::uint64_t kv,
                        StepResult& result) {
    PromptScore score =
        score_of(kv, plan.targets.at(row.targets.begin + target), static_cast<std::int32_t>(row.target_alternatives));
    Slice top{static_cast<std::uint32_t>(result.top.size()), row.target_alternatives};
    result.top.insert(result.top.end(), score.top.begin(), score.top.end());
    result.scores.push_back({score.logprob, score.rank, top});
  }

  std::uint64_t& slot(const StepPlan& plan, const StepRow& row, std::uint32_t position) {
    check(position / kBlockSize < row.blocks.count, "a position outside of the row's blocks");
    return kv_.at(std::size_t{plan.blocks[row.blocks.begin + position / kBlockSize]} * kBlockSize +
                  position % kBlockSize);
  }

  static Drawing drawing_of(const StepPlan& plan, const StepRow& row, TokenId last) {
    const RowSampling& sampling = plan.sampling.at(row.sampling);
    Drawing drawing;
    drawing.seed = sampling.seed;
    drawing.choice = sampling.choice;
    drawing.position = sampling.position;
    for (std::uint32_t i = 0; i < sampling.bias.count; ++i) {
      const TokenBias& entry = plan.bias[sampling.bias.begin + i];
      drawing.bias = mix(drawing.bias,
                         mix(static_cast<std::uint64_t>(entry.token), static_cast<std::uint64_t>(entry.bias * 16.0F)));
    }
    drawing.has_penalty =
        sampling.repetition_penalty != 1.0F || sampling.presence_penalty != 0.0F || sampling.frequency_penalty != 0.0F;
    for (std::uint32_t i = 0; i < sampling.history.count; ++i) {
      const TokenHistory& entry = plan.history[sampling.history.begin + i];
      drawing.counts[entry.token] = {entry.output_count, entry.in_prompt};
    }
    if (row.from_previous == 1) ++drawing.counts[last].first;
    for (std::uint32_t i = 0; i < sampling.banned.count; ++i) {
      drawing.banned.push_back(plan.banned[sampling.banned.begin + i]);
    }
    return drawing;
  }

  std::vector<std::uint64_t> kv_;
  std::unordered_map<RequestId, std::uint64_t> keys_;
  std::unordered_map<RequestId, TokenId> sampled_;  // by the last step
  std::uint64_t sampled_step_ = 0;
  std::map<std::uint32_t, Sum> sums_;
};

}  // namespace troupe::test
