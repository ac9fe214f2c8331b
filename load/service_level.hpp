#pragma once
// What a user was promised, and whether a request kept it (goodput).
#include <cstdint>
#include <optional>

namespace troupe {

// How a request felt; times in seconds, from its intended send time.
struct Feel {
  std::optional<double> first_token_s;
  std::uint32_t prompt_tokens = 0;
  std::uint32_t gaps = 0;  // between events with text
  std::uint32_t late_gaps = 0;
  double gaps_s = 0.0;  // their sum
};

struct ServiceLevel {
  std::optional<double> first_token_s;  // allowed, plus what follows for each prompt token
  double per_prompt_token_s = 0.0;
  std::optional<double> inter_token_s;

  bool is_set() const { return first_token_s || inter_token_s || per_prompt_token_s > 0.0; }
  bool is_late(double gap_s) const { return inter_token_s && gap_s > *inter_token_s; }

  // TTFT within its allowance and 99 % of the gaps within inter_token_s.
  bool is_kept(const Feel& feel) const {
    return first_token_kept(feel) && std::uint64_t{feel.late_gaps} * 100 <= feel.gaps;
  }
  // The softer reading: the mean gap within inter_token_s.
  bool is_kept_on_average(const Feel& feel) const {
    bool gaps_kept = !inter_token_s || feel.gaps == 0 || feel.gaps_s <= *inter_token_s * feel.gaps;
    return first_token_kept(feel) && gaps_kept;
  }

 private:
  bool first_token_kept(const Feel& feel) const {
    if (!first_token_s && per_prompt_token_s == 0.0) return true;
    return feel.first_token_s &&
           *feel.first_token_s <= first_token_s.value_or(0.0) + per_prompt_token_s * feel.prompt_tokens;
  }
};

}  // namespace troupe
