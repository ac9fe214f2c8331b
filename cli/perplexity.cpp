// troupe perplexity: how well a model predicts a text, in the formats the settings say: what a quantisation costs.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "cli/commands.hpp"
#include "cli/engine.hpp"
#include "model/host_engine/host_step_runner.hpp"

namespace troupe {
namespace {

constexpr std::size_t kTextBytesMax = std::size_t{64} << 20;

Result<std::string> read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kTextBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || !in.is_open()) return Error{ErrorCode::kConfiguration, "cannot read " + path, "", 0};
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kTextBytesMax)
    return Error{ErrorCode::kConfiguration,
                 path + " is too large; at most " + std::to_string(kTextBytesMax) + " bytes are read", "", 0};
  return text;
}

double log_probability(std::span<const float> logits, TokenId token) {
  double max = *std::max_element(logits.begin(), logits.end()), sum = 0.0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit) - max);
  return static_cast<double>(logits[static_cast<std::size_t>(token)]) - max - std::log(sum);
}

// Rows [begin, end) of one window, each with its logits; adds the log-probability of each next token.
Status score(HostStepRunner& runner, std::span<const TokenId> window, std::uint32_t begin, std::uint32_t end,
             std::uint64_t step, double& sum) {
  auto plan = std::make_shared<StepPlan>();
  plan->step = step;
  for (std::uint32_t i = begin; i < end; ++i) {
    StepRow row;
    row.sequence = 1;
    row.position = i;
    row.tokens = {i - begin, 1};
    row.blocks = {static_cast<std::uint32_t>(plan->blocks.size()), i / kBlockSize + 1};
    for (std::uint32_t block = 0; block <= i / kBlockSize; ++block) plan->blocks.push_back(block);
    row.sampling = i - begin;
    plan->tokens.push_back(window[i]);
    plan->sampling.emplace_back();
    plan->rows.push_back(row);
  }
  Status outcome;
  runner.submit(plan, [&](const Result<StepResult>& result) {
    if (!result) outcome = result.error();
  });
  for (std::uint32_t i = begin; outcome.ok() && i < end && i + 1 < window.size(); ++i)
    sum -= log_probability(runner.last_logits(i - begin), window[i + 1]);
  return outcome;
}

}  // namespace

int perplexity(const LoadedSettings& loaded, const PerplexityArguments& a) {
  const Settings& settings = loaded.settings;
  if (settings.model.empty())
    return report(
        {ErrorCode::kConfiguration, "no model: give --model FILE, a GGUF file or a Hugging Face folder", "", 0});
  auto text = read_text(a.text);
  if (!text) return report(text.error());
  auto kernels = select_kernels_from_environment();
  if (!kernels) return report(kernels.error());
  LoadOptions options;
  options.limits = host_limits(settings, thread_plan(settings).compute);
  options.limits.rows_max = options.limits.tokens_max = kHeadRowsMax;
  options.limits.context = a.window;
  options.memory = memory_budget(settings);
  options.kernels = *kernels;
  auto model = load_model(settings.model, options);
  if (!model) return report(model.error());
  auto tokens = model->card.codec->tokenize(*text, true, false);
  if (!tokens) return report(tokens.error());
  if (a.window > model->memory.context || tokens->size() < a.window)
    return report({ErrorCode::kConfiguration,
                   "a window is " + std::to_string(a.window) + " tokens; the context has " +
                       std::to_string(model->memory.context) + ", the text " + std::to_string(tokens->size()),
                   "", 0});
  auto runner =
      HostStepRunner::make(model->weights, **kernels, options.limits, (a.window + kBlockSize - 1) / kBlockSize);
  if (!runner) return report(runner.error());

  const bool is_watched = isatty(STDERR_FILENO) != 0;
  double sum = 0.0;
  std::size_t windows = tokens->size() / a.window;
  std::uint64_t step = 0;
  for (std::size_t i = 0; i < windows; ++i) {
    auto window = std::span(*tokens).subspan(i * a.window, a.window);
    for (std::uint32_t at = 0; at < a.window; at += kHeadRowsMax) {
      Status done = score(**runner, window, at, std::min(at + kHeadRowsMax, a.window), ++step, sum);
      if (!done) return report(done.error());
    }
    if (is_watched)
      std::fprintf(stderr, "\r%zu of %zu windows%s", i + 1, windows,
                   i + 1 == windows ? "\r                         \r" : "");
  }
  double scored = static_cast<double>(windows * (a.window - 1));
  std::printf("%s, weights %s, K/V %s: perplexity %.3f over %zu windows of %u tokens\n", model->card.name.c_str(),
              settings.quantization ? (model->card.quantization + " as " + settings.precision).c_str()
                                    : model->card.quantization.c_str(),
              name_of(model->memory.kv_type), std::exp(sum / scored), windows, a.window);
  return kExitDone;
}

}  // namespace troupe
