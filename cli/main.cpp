// troupe: serve a model, ask it from the terminal, check a configuration, measure a server. Help is meant to teach: see
// `troupe --help`.
#include <algorithm>
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/flags.hpp"
#include "cli/load_flags.hpp"
#include "cli/process.hpp"
#include "runtime/profiler.hpp"

#include <CLI/CLI.hpp>

namespace troupe {

int report(const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.message.c_str());
  bool is_input = error.code == ErrorCode::kConfiguration || error.code == ErrorCode::kModelFile ||
                  error.code == ErrorCode::kInvalidRequest || error.code == ErrorCode::kContextLengthExceeded;
  return is_input ? kExitWrongInput : kExitFailed;
}

namespace {

constexpr const char* kAbout =
    "Troupe serves large language models: the same request gives the same bits, whatever the batch, the threads or the "
    "instruction set.";
constexpr const char* kExamples =
    "examples:\n"
    "  troupe serve --model models/SmolLM2-135M-Instruct.Q4_1.gguf\n"
    "  troupe generate --model models/SmolLM2-135M-Instruct.Q4_1.gguf \"Why is the sky blue?\"\n"
    "  troupe check --config server.toml          validate a file and print what is in force\n"
    "  troupe check --model file.gguf             validate a model without serving it\n"
    "  troupe load http://127.0.0.1:8080 --concurrency 16     measure a server; `troupe load --help` has more\n"
    "  troupe plan --model file.gguf --sequences 16   what memory that takes\n"
    "  troupe quantize in.gguf out.gguf --type Q4_K   write a model with smaller weights\n"
    "  troupe bench --model file.gguf             how fast this machine steps it\n"
    "  troupe profile --model file.gguf --batch 4 where a step's time goes\n"
    "  troupe doctor                              what holds the running server back\n"
    "  TROUPE_SERVER_PORT=9000 troupe serve ...   every setting is also a variable and a TOML key\n"
    "exit codes: 0 done, 1 failed while running, 2 what you gave is wrong";

int run(int argc, char** argv) {
  CLI::App app(kAbout, "troupe");
  app.footer(kExamples);
  app.set_version_flag("--version", "troupe " TROUPE_VERSION);
  app.require_subcommand(1);

  KnobFlags serve_flags, generate_flags, check_flags, doctor_flags, bench_flags, plan_flags, profile_flags,
      perplexity_flags;
  CLI::App* serve_command = app.add_subcommand("serve", "serve a model over HTTP (OpenAI's API) and WebSocket");
  serve_flags.add_to(*serve_command);

  GenerateArguments arguments;
  CLI::App* generate_command = app.add_subcommand("generate", "answer one prompt here in the terminal, streamed");
  generate_command->add_option("prompt", arguments.prompt, "what to ask")->required();
  generate_command->add_option("--system", arguments.system, "a system message");
  generate_command->add_flag("--raw", arguments.raw, "complete the prompt as it is, without the chat template");
  generate_command->add_option("--max-tokens,-n", arguments.max_tokens,
                               "at most so many tokens [to the context's end]");
  generate_command->add_option("--temperature", arguments.temperature, "0 is greedy")
      ->check(CLI::Range(0.0, 2.0))
      ->capture_default_str();
  generate_command->add_option("--seed", arguments.seed, "of the sampling")->capture_default_str();
  generate_flags.add_to(*generate_command);

  CLI::App* check_command = app.add_subcommand("check", "validate a configuration and a model without serving");
  check_flags.add_to(*check_command);

  PlanArguments plan_arguments;
  CLI::App* plan_command = app.add_subcommand("plan", "how much memory a model takes and how many sequences fit");
  plan_command->add_option("--sequences", plan_arguments.sequences, "do so many fit, each with a full context?")
      ->check(CLI::Range(1, 1 << 20));
  plan_command->add_option("--memory", plan_arguments.memory, "in so much, e.g. 4Gi [what this process may use]");
  plan_flags.add_to(*plan_command);

  QuantizeArguments quantize_arguments;
  CLI::App* quantize_command = app.add_subcommand("quantize", "write a model file anew with weights of another type");
  quantize_command->add_option("from", quantize_arguments.from, "the model, a GGUF file or a Hugging Face folder")->required();
  quantize_command->add_option("to", quantize_arguments.to, "the file to write")->required();
  quantize_command
      ->add_option("--type", quantize_arguments.type,
                   "Q4_K, Q5_K, Q6_K, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL, F16, ...")
      ->capture_default_str();
  quantize_command->add_flag("--force", quantize_arguments.force, "write over a file that is there");

  BenchArguments bench_arguments;
  CLI::App* bench_command =
      app.add_subcommand("bench", "how fast this machine steps a model, beside what it could do at best");
  bench_command->add_option("--prompt", bench_arguments.prompts, "lengths of prompts, by commas")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  bench_command->add_option("--batch", bench_arguments.batches, "sequences that decode together")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  bench_command->add_option("--at", bench_arguments.contexts, "positions each of them has already")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  bench_command
      ->add_option("--rounds", bench_arguments.rounds, "the median is of so many prompts, or 8 times as many steps")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  bench_command->add_option("--json", bench_arguments.json, "write the figures to this file, too");
  bench_command->add_flag("--smoke", bench_arguments.smoke, "a second's work, to see that it runs");
  bench_flags.add_to(*bench_command);

  ProfileArguments profile_arguments;
  CLI::App* profile_command =
      app.add_subcommand("profile", "where the time of a model's steps goes, in this process or in a live server");
  profile_command->add_option(
      "--url", profile_arguments.url,
      "a live server, http://host:port, whose next steps are profiled; server.admin_key is needed");
  profile_command->add_option("--prompt", profile_arguments.prompt, "steps of one prompt of so many tokens")
      ->check(CLI::Range(1, 1 << 20));
  profile_command->add_option("--batch", profile_arguments.batch, "else: sequences that decode together")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  profile_command->add_option("--at", profile_arguments.context, "positions each of them has already")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  profile_command->add_option("--steps", profile_arguments.steps, "to profile")
      ->check(CLI::Range(1U, Profiler::kStepsMax))
      ->capture_default_str();
  profile_command->add_option("--trace", profile_arguments.trace, "write a Chrome trace to this file");
  profile_flags.add_to(*profile_command);

  PerplexityArguments perplexity_arguments;
  CLI::App* perplexity_command =
      app.add_subcommand("perplexity", "how well a model predicts a text: what its formats of weights and K/V cost");
  perplexity_command->add_option("text", perplexity_arguments.text, "a file of text, some thousand words")->required();
  perplexity_command->add_option("--window", perplexity_arguments.window, "tokens that are predicted from one another")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  perplexity_flags.add_to(*perplexity_command);

  LoadArguments load_arguments;
  CLI::App* load_command = app.add_subcommand("load", "measure a server under load, as its users would feel it");
  add_load_flags(*load_command, load_arguments);

  SimulateArguments simulate_arguments;
  KnobFlags simulate_flags;
  CLI::App* simulate_app = app.add_subcommand("simulate", "what would a setting do? The batcher on a virtual clock");
  add_simulate_flags(*simulate_app, simulate_arguments);
  simulate_flags.add_to(*simulate_app);

  DoctorArguments doctor_arguments;
  CLI::App* doctor_command =
      app.add_subcommand("doctor", "look at a running server's metrics twice and name what holds it back");
  doctor_command->add_option("--url", doctor_arguments.url, "of its metrics [metrics.host and metrics.port]");
  doctor_command->add_option("--window", doctor_arguments.window_s, "seconds between the two looks")
      ->check(CLI::Range(1, 600))
      ->capture_default_str();
  doctor_flags.add_to(*doctor_command);

  auto is_command = [&](const std::string& name) {
    auto commands = app.get_subcommands({});
    return std::any_of(commands.begin(), commands.end(),
                       [&](const CLI::App* command) { return command->get_name() == name; });
  };
  if (argc > 1 && argv[1][0] != '-' && !is_command(argv[1]))
    return report(
        {ErrorCode::kConfiguration,
         "unknown command \"" + std::string(argv[1]) +
             "\" (serve, generate, check, plan, quantize, bench, profile, perplexity, load, simulate or doctor)",
         "", 0});
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    int code = app.exit(error);
    return code == 0 ? kExitDone : kExitWrongInput;
  }
  if (*load_command) return load(load_arguments);
  if (*quantize_command) return quantize(quantize_arguments);
  const KnobFlags& flags = *serve_command        ? serve_flags
                           : *generate_command   ? generate_flags
                           : *simulate_app       ? simulate_flags
                           : *bench_command      ? bench_flags
                           : *profile_command    ? profile_flags
                           : *perplexity_command ? perplexity_flags
                           : *plan_command       ? plan_flags
                           : *doctor_command     ? doctor_flags
                                                 : check_flags;
  auto loaded = flags.load();
  if (!loaded) return report(loaded.error());
  if (*serve_command) return serve(*loaded, flags.sources());
  if (*generate_command) return generate(*loaded, arguments);
  if (*bench_command) return bench(*loaded, bench_arguments);
  if (*profile_command) return profile(*loaded, profile_arguments);
  if (*perplexity_command) return perplexity(*loaded, perplexity_arguments);
  if (*plan_command) return plan(*loaded, plan_arguments);
  if (*simulate_app) {
    simulate_arguments.is_configured = simulate_flags.has_config();
    return simulate_command(*loaded, simulate_arguments);
  }
  if (*doctor_command) return doctor(*loaded, doctor_arguments);
  return check(*loaded);
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) {
  try {
    return troupe::run(argc, argv);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "error: %s\n", failure.what());
    return troupe::kExitFailed;
  }
}
