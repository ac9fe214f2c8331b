// Real models against a float32 forward pass on the file's own weights, by the rule of comparison: int8 for what is
// served, f32 for the reference pass and for the engine on the same weights as floats. Data: made by convert_golden.py.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "model/float_reference/float_reference.hpp"
#include "model/quantize_model.hpp"
#include "test/model/gguf_writer.hpp"
#include "test/model/golden.hpp"
#include "test/model/step_driver.hpp"
#include "test/skip.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::uint32_t kRows = kHeadRowsMax;

struct RealModel {
  const char* name;
  std::optional<std::string> path;
  std::string data;
};
std::vector<RealModel> real_models() {
  return {{"SmolLM2-135M-Instruct Q4_1", real_model(), data_file("smollm2.txt")},
          {"Gemma-3-270M Q4_K_M", real_gemma(), data_file("gemma3-270m.txt")}};
}

// Runs use(model) for every model that is there and says which are not.
template <class Use>
void for_each_model(Use&& use) {
  for (const RealModel& model : real_models()) {
    INFO(model.name);
    if (model.path)
      use(model);
    else
      skip(std::string("no ") + model.name + "; fetch it with ./quickstart --test-models");
  }
}

std::unique_ptr<HostStepRunner> make_runner(const std::string& path) {
  HostLimits limits;
  limits.threads = 2, limits.rows_max = kRows, limits.tokens_max = 256;
  auto runner = HostStepRunner::make(load_weights(path, 2), **select_kernels(""), limits, 128);
  REQUIRE(runner.ok());
  return std::move(*runner);
}

// Calls use(position, logits) for positions from `first` on; `tokens` is one sequence. A row for every token, so that
// each has logits.
template <class Use>
void for_each_logits(HostStepRunner& runner, const std::vector<TokenId>& tokens, std::uint32_t first, Use&& use) {
  RowSampling greedy;
  for (std::uint32_t begin = 0; begin < tokens.size(); begin += kRows) {
    std::uint32_t end = std::min<std::uint32_t>(begin + kRows, static_cast<std::uint32_t>(tokens.size()));
    auto plan = std::make_shared<StepPlan>();
    for (std::uint32_t i = begin; i < end; ++i) add_row(*plan, 1, i, {tokens[i]}, 0, &greedy);
    run_plan(runner, plan);
    for (std::uint32_t i = std::max(begin, first); i < end; ++i) use(i, runner.last_logits(i - begin));
  }
}

double log_probability(std::span<const float> logits, TokenId token) {
  double max = *std::max_element(logits.begin(), logits.end()), sum = 0.0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit) - max);
  return static_cast<double>(logits[token]) - max - std::log(sum);
}

// Windows that follow one another, each with a BOS first where the model has one.
double perplexity(HostStepRunner& runner, const RealModel& model, std::size_t window) {
  std::vector<TokenId> text = ids(model.data, "perplexity.ids"), bos = ids_if_any(model.data, "bos");
  double sum = 0.0;
  std::size_t scored = 0, own = window - bos.size();
  for (std::size_t begin = 0; begin + own <= text.size(); begin += own) {
    std::vector<TokenId> tokens = bos;
    tokens.insert(tokens.end(), text.begin() + static_cast<std::ptrdiff_t>(begin),
                  text.begin() + static_cast<std::ptrdiff_t>(begin + own));
    for_each_logits(runner, tokens, 0, [&](std::uint32_t i, std::span<const float> logits) {
      if (i + 1 == tokens.size()) return;
      sum -= log_probability(logits, tokens[i + 1]);
      ++scored;
    });
  }
  return std::exp(sum / static_cast<double>(scored));
}

// A prompt and the reference's own continuation.
struct Forced {
  std::string prompt;
  std::vector<TokenId> tokens, greedy;
  std::vector<double> logprob, margin;
  std::uint32_t first;  // whose logits give the first token of the continuation
};
Forced forced(const RealModel& model, const std::string& prompt) {
  std::vector<TokenId> tokens = ids(model.data, prompt + ".ids"), greedy = ids(model.data, prompt + ".greedy.ids");
  auto first = static_cast<std::uint32_t>(tokens.size()) - 1;
  tokens.insert(tokens.end(), greedy.begin(), greedy.end() - 1);
  return {prompt,
          std::move(tokens),
          std::move(greedy),
          numbers(model.data, prompt + ".greedy.logprob"),
          numbers(model.data, prompt + ".greedy.margin"),
          first};
}

// What teacher-forced positions of one or more prompts show.
struct Agreement {
  int positions = 0, agreed = 0;
  double error_sum = 0.0, absolute_sum = 0.0, worst = 0.0;

  void add(const Forced& text, std::uint32_t position, double tau, std::span<const float> logits) {
    std::uint32_t at = position - text.first;
    TokenId expected = text.greedy[at];
    double margin = text.margin[at];
    auto best = static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    ++positions;
    agreed += best == expected;
    if (margin > tau) {
      INFO("prompt " << text.prompt << ", token " << at << ", margin " << margin);
      CHECK(best == expected);
    }
    double error = log_probability(logits, expected) - text.logprob[at];
    error_sum += error;
    absolute_sum += std::abs(error);
    worst = std::max(worst, std::abs(error));
  }
};

std::vector<std::string> prompts_of(const RealModel& model) {
  std::vector<std::string> names;
  for (double number : numbers(model.data, "prompts")) names.push_back(std::to_string(static_cast<int>(number)));
  return names;
}

}  // namespace

TEST_CASE("real models agree with float32 by the rule for int8 activations") {
  for_each_model([](const RealModel& model) {
    auto runner = make_runner(*model.path);
    double tau = numbers(model.data, "tau")[1];
    Agreement all;
    for (const std::string& prompt : prompts_of(model)) {
      Forced text = forced(model, prompt);
      for_each_logits(*runner, text.tokens, text.first,
                      [&](std::uint32_t i, std::span<const float> logits) { all.add(text, i, tau, logits); });
    }
    double agreement = static_cast<double>(all.agreed) / all.positions;
    double mean = all.error_sum / all.positions, absolute = all.absolute_sum / all.positions;
    std::printf("%s, %d positions: %.2f %% agree, log-probability error %.4f absolute, %.4f mean\n", model.name,
                all.positions, 100.0 * agreement, absolute, mean);
    CHECK(agreement >= 0.97);
    CHECK(absolute <= 0.05);
    CHECK(std::abs(mean) <= 0.01);
  });
}

TEST_CASE("real models' free-running greedy output leaves float32's only where the margin is small") {
  for_each_model([](const RealModel& model) {
    auto runner = make_runner(*model.path);
    double tau = numbers(model.data, "tau")[1];
    for (const std::string& prompt : prompts_of(model)) {
      INFO("prompt " << prompt);
      std::vector<TokenId> tokens = ids(model.data, prompt + ".ids");
      if (tokens.size() > 256) continue;  // a prompt in one chunk here
      std::vector<TokenId> greedy = ids(model.data, prompt + ".greedy.ids");
      std::vector<double> margin = numbers(model.data, prompt + ".greedy.margin");
      std::vector<TokenId> output = generate_greedy(*runner, tokens, greedy.size());
      auto leaves = std::mismatch(output.begin(), output.end(), greedy.begin()).first - output.begin();
      if (static_cast<std::size_t>(leaves) < greedy.size()) CHECK(margin[static_cast<std::size_t>(leaves)] <= tau);
    }
  });
}

TEST_CASE("real models' perplexity lies between float32's and llama.cpp's") {
  for_each_model([](const RealModel& model) {
    auto runner = make_runner(*model.path);
    for (std::size_t window : {512U, 1024U}) {
      std::string name = "window_" + std::to_string(window);
      double ours = perplexity(*runner, model, window);
      double float32 = numbers(model.data, name + ".float32")[0], llamacpp = numbers(model.data, name + ".llamacpp")[0];
      std::printf("%s, windows of %zu: perplexity %.4f (%+.2f %%), llama.cpp %.4f (%+.2f %%)\n", model.name, window,
                  ours, 100.0 * (ours / float32 - 1.0), llamacpp, 100.0 * (llamacpp / float32 - 1.0));
      CHECK(ours <= llamacpp);
      CHECK(ours >= float32 * 0.997);  // better than the truth would be suspicious
    }
  });
}

TEST_CASE("the float reference agrees with another float32 forward pass on the real models by the rule for f32") {
  for_each_model([](const RealModel& model) {
    auto file = describe_file(*model.path);
    FloatReference reference(file->description);
    double tau = numbers(model.data, "tau")[0];
    Agreement all;
    for (const char* prompt : {"0", "7"}) {
      Forced text = forced(model, prompt);
      reference.restart();
      for (std::uint32_t i = 0; i < text.tokens.size(); ++i) {
        std::vector<float> logits = reference.step(text.tokens[i]);
        if (i >= text.first) all.add(text, i, tau, logits);
      }
    }
    std::printf("%s, float reference, %d positions: %d agree, log-probability error at most %.6f\n", model.name,
                all.positions, all.agreed, all.worst);
    CHECK(all.agreed == all.positions);
    CHECK(all.worst <= 1e-3);
  });
}

TEST_CASE("the engine's float path has float32's perplexity on the real models' weights") {
  for_each_model([](const RealModel& model) {
    TemporaryFile floats({});
    REQUIRE(quantize_model(*model.path, floats.path(), DType::kF32, 2).ok());
    auto runner = make_runner(floats.path());
    double ours = perplexity(*runner, model, 512), float32 = numbers(model.data, "window_512.float32")[0];
    std::printf("%s as floats: perplexity %.4f (%+.3f %%)\n", model.name, ours, 100.0 * (ours / float32 - 1.0));
    CHECK(ours == Approx(float32).epsilon(0.0005));
  });
}
