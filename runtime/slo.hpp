#pragma once
// The two latency targets of a model and what follows from them. A target that is set is a promise: what would break it
// is refused or kept small. Without one the server still aims, with the aims below, and refuses nobody.
#include <cstdint>

namespace troupe {

struct Slo {
  double ttft_ms = 0;            // first token: this much and
  double ttft_ms_per_token = 1;  // this much more for each prompt token; 0 in ttft_ms: no promise
  double itl_ms = 0;             // time between two tokens of a stream; 0: no promise

  static constexpr double kTtftAimMs = 1000;  // where a person begins to wait
  static constexpr double kItlAimMs = 100;    // ten tokens a second: faster than people read

  bool promises_first_token() const { return ttft_ms > 0; }
  bool promises_gap() const { return itl_ms > 0; }
  double first_token_base_ms() const { return promises_first_token() ? ttft_ms : kTtftAimMs; }
  double first_token_ms(double prompt) const { return first_token_base_ms() + ttft_ms_per_token * prompt; }
  double gap_ms() const { return promises_gap() ? itl_ms : kItlAimMs; }
};

// Prompts by length: long ones are overtaken, short ones are not, so what is learnt of one says little of another.
enum class PromptClass : std::uint8_t { kShort, kMedium, kLong, kHuge };
inline constexpr int kPromptClasses = 4;
constexpr int class_of(double prompt) { return prompt < 128 ? 0 : prompt < 512 ? 1 : prompt < 2048 ? 2 : 3; }

}  // namespace troupe
