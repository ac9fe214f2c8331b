#pragma once
// How many tokens a prompt has or an answer may have.
//   fixed:N | uniform:A,B (both included) | lognormal:MEAN,CV | sharegpt
// sharegpt is a log-normal with the means that the PagedAttention paper measured on ShareGPT (arXiv:2309.06180, figure
// 11: 161 in, 338 out), cut to 4..1024. Its coefficients of variation, 1.4 and 1.0, are ours.
#include <cstdint>
#include <string_view>

#include "load/random.hpp"
#include "runtime/result.hpp"

namespace troupe {

class LengthDistribution {
 public:
  static constexpr std::uint32_t kTokensMax = 1U << 20;
  enum class Of : std::uint8_t { kPrompt, kOutput };

  static Result<LengthDistribution> parse(Of of, std::string_view text);

  std::uint32_t draw(SeededRandom& random) const;  // 1 .. kTokensMax

 private:
  enum class Form { kUniform, kLogNormal };
  static LengthDistribution log_normal(double mean, double cv);

  Form form_ = Form::kUniform;
  double mu_ = 0.0, sigma_ = 0.0;             // of the logarithm
  std::uint32_t min_ = 1, max_ = kTokensMax;  // of what is drawn
};

}  // namespace troupe
