#include "cli/load_flags.hpp"

#include <CLI/CLI.hpp>

namespace troupe {
namespace {

constexpr const char* kExamples =
    "examples:\n"
    "  troupe load http://127.0.0.1:8080 --concurrency 16 --duration 30\n"
    "      16 users who ask, read and ask again: what the server can do at most (closed loop)\n"
    "  troupe load http://127.0.0.1:8080 --rate 4 --duration 60 --warmup 10 --prompt-tokens sharegpt \\\n"
    "      --output-tokens sharegpt --slo-ttft-ms 500 --slo-itl-ms 50 --html report.html\n"
    "      4 requests/s whatever the server does (open loop): what users feel, and how many got what was promised\n"
    "  troupe load http://127.0.0.1:8080 --profile step:2,20,2 --duration 90 --retry 3 --json report.json\n"
    "      an overload in the middle: are refusals quick, and does Retry-After tell the truth?\n"
    "One of --rate, --profile, --trace or --concurrency says when requests are sent; without any: --concurrency 8.\n"
    "Latencies count from the intended send time. docs/load.md has the definitions.\n"
    "exit codes: 0 done, 1 every request failed or the server went away, 2 what you gave is wrong";

void add_server_flags(CLI::App& command, LoadArguments& a) {
  const char* group = "Server";
  command.add_option("url", a.url, "http://HOST[:PORT], any server with OpenAI's API")->capture_default_str();
  command.add_option("--endpoint", a.endpoint, "completions or chat")->capture_default_str()->group(group);
  command.add_flag("--no-stream", a.no_stream, "ask for whole answers: no TTFT, no ITL")->group(group);
  command.add_option("--model", a.model, "[left out; asked of /v1/models if the server demands it]")->group(group);
  command.add_option("--api-key", a.api_key, "sent as Authorization: Bearer")->group(group);
  command.add_option("--header", a.headers, "NAME: VALUE, as often as you like")->group(group)->take_all();
  command.add_option("--timeout", a.timeout_s, "seconds an attempt may take")->capture_default_str()->group(group);
}

void add_time_flags(CLI::App& command, LoadArguments& a) {
  const char* group = "When requests are sent";
  command.add_option("--rate", a.rate, "requests/s: open loop")->group(group);
  command
      .add_option("--profile", a.profile,
                  "a rate that changes: step:RATE,RATE,... (equal parts of --duration) or diurnal:MIN,MAX,PERIOD_S")
      ->group(group);
  command
      .add_option("--trace", a.trace,
                  "FILE to play: CSV or JSON lines of arrival_ms, prompt_tokens, output_tokens[, tenant]")
      ->group(group);
  command.add_option("--concurrency", a.concurrency, "users: closed loop")->group(group);
  command.add_option("--arrivals", a.arrivals, "of --rate and --profile: poisson, gamma or uniform")
      ->capture_default_str()
      ->group(group);
  command.add_option("--cv", a.cv, "of gamma: above 1 in bursts")->capture_default_str()->group(group);
  command.add_option("--think-ms", a.think_ms, "from an answer to the user's next request")
      ->capture_default_str()
      ->group(group);
  command.add_option("--duration", a.duration_s, "seconds [30, unless --requests or --trace is given]")->group(group);
  command.add_option("--requests,-n", a.requests, "so many at most, after the warm-up")->group(group);
  command.add_option("--warmup", a.warmup_s, "seconds before what is measured; users start within it")
      ->capture_default_str()
      ->group(group);
  command.add_option("--drain", a.drain_s, "seconds for what still runs at the end")
      ->capture_default_str()
      ->group(group);
  command.add_option("--in-flight-max", a.in_flight_max, "requests of an open loop; more fail unsent")
      ->capture_default_str()
      ->group(group);
  command.add_option("--retry", a.retry, "so often, after the server's Retry-After; 0: a refusal is final")
      ->capture_default_str()
      ->group(group);
}

void add_content_flags(CLI::App& command, LoadArguments& a) {
  const char* group = "What is asked";
  command.add_option("--prompt-tokens", a.prompt_tokens, "fixed:N, uniform:A,B, lognormal:MEAN,CV or sharegpt")
      ->capture_default_str()
      ->group(group);
  command.add_option("--output-tokens", a.output_tokens, "likewise, as max_tokens")
      ->capture_default_str()
      ->group(group);
  command.add_option("--prefix-share", a.prefix_share, "share of each prompt that is the same for all, 0 to 1")
      ->capture_default_str()
      ->group(group);
  command
      .add_flag("--ignore-eos", a.ignore_eos, "answers run to max_tokens (an extra field; not every server knows it)")
      ->group(group);
  command.add_option("--temperature", a.temperature, "[left out]")->group(group);
  command.add_option("--seed", a.seed, "of arrivals, lengths and prompts; not sent")
      ->capture_default_str()
      ->group(group);
  command.add_option("--tenant", a.tenants, "NAME (the field user) or NAME=KEY (an API key); several share equally")
      ->group(group)
      ->take_all();
}

void add_report_flags(CLI::App& command, LoadArguments& a) {
  const char* group = "What is reported";
  command.add_option("--slo-ttft-ms", a.slo_ttft_ms, "goodput: TTFT allowed")->group(group);
  command.add_option("--slo-ttft-ms-per-token", a.slo_ttft_ms_per_token, "and so much more for each prompt token")
      ->capture_default_str()
      ->group(group);
  command.add_option("--slo-itl-ms", a.slo_itl_ms, "goodput: allowed for 99 % of a request's gaps between tokens")
      ->group(group);
  command.add_option("--json", a.json, "FILE for every figure")->group(group);
  command.add_option("--html", a.html, "FILE for a report with plots")->group(group);
}

}  // namespace

void add_load_flags(CLI::App& command, LoadArguments& arguments) {
  command.footer(kExamples);
  add_server_flags(command, arguments);
  add_time_flags(command, arguments);
  add_content_flags(command, arguments);
  add_report_flags(command, arguments);
}

}  // namespace troupe
