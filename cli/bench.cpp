// troupe bench: how fast this machine steps a model, without actors and sockets, beside what the machine could do at
// best.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <numeric>

#include "cli/bench_driver.hpp"
#include "cli/commands.hpp"
#include "cli/engine.hpp"
#include "cli/step_bound.hpp"
#include "gpu/host/roofline.hpp"
#include "net/schema/json_writer.hpp"
#include "runtime/cpu_count.hpp"

namespace troupe {
namespace {

constexpr std::size_t kBandwidthBytesMax = std::size_t{512} << 20;

struct Row {
  const char* phase;  // "prefill", "decode"
  std::uint32_t batch, context;
  double best_s, median_s, mean_s;  // of a step, or of the whole prompt
  double tokens;                    // of it
  double operations;                // of it: multiplications and additions of the matrices and of attention
  double bytes;                     // read from memory: weights once, K/V of every sequence
  double least_s;                   // that the machine allows (cli/step_bound.hpp); 0: not known
};

class Bench {
 public:
  Bench(const BenchArguments& arguments, const LoadedModel& model, std::uint32_t threads)
      : arguments_(arguments),
        model_(*model.weights),
        memory_(model.memory),
        pool_(threads),
        runner_(model.make_runner()) {
    const HyperParameters& p = model_.hyper;
    double heads = p.num_attention_heads, kv_heads = p.num_key_value_heads, head = p.head_dim, hidden = p.hidden_size;
    double layer = hidden * head * (2 * heads + 2 * kv_heads) + 3 * hidden * p.intermediate_size;
    layer_products_ = layer * p.num_hidden_layers;
    head_products_ = hidden * p.vocab_size;
    attention_products_ = 2 * heads * head * p.num_hidden_layers;
    streamed_bytes_ = static_cast<double>(model_.weights_bytes - model_.embeddings.size());
  }

  Status run() {
    if (!runner_) return Error{ErrorCode::kConfiguration, "the memory of the plan is not there", "", 0};
    measure_machine();
    for (std::uint32_t tokens : arguments_.prompts) {
      if (Status done = prefill(tokens); !done) return done;
    }
    for (std::uint32_t context : arguments_.contexts) {
      for (std::uint32_t batch : arguments_.batches) {
        if (Status done = decode(batch, context); !done) return done;
      }
    }
    return {};
  }

  std::string json(const std::string& command) const {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("command", command).field("model", arguments_.model_name);
    json.field("device", runner_->info().device).field("threads", pool_.threads());
    json.field("numerics_class", model_.numerics_class).field("weights_bytes", model_.weights_bytes);
    json.field("int8_operations_per_s", peak_).field("read_bytes_per_s", bandwidth_);
    json.key("rows").begin_array();
    for (const Row& row : rows_) {
      json.begin_object().field("phase", row.phase).field("batch", row.batch).field("context", row.context);
      json.field("best_s", row.best_s).field("median_s", row.median_s).field("mean_s", row.mean_s);
      json.field("tokens_per_s", row.tokens / row.median_s).field("operations_per_s", row.operations / row.median_s);
      json.field("bytes_per_s", row.bytes / row.median_s).field("of_roofline", roofline_share(row));
      if (row.least_s > 0) json.field("of_bound", row.least_s / row.median_s);
      json.end_object();
    }
    json.end_array().end_object();
    return out;
  }

 private:
  void measure_machine() {
    auto rates = compute_rates(pool_, arguments_.smoke);
    for (const ComputeRate& rate : rates) {
      if (rate.is_integer) peak_ = std::max(peak_, rate.operations);
    }
    std::size_t bytes = std::min(kBandwidthBytesMax, static_cast<std::size_t>(streamed_bytes_));
    bandwidth_ = read_bandwidth(pool_, bytes, arguments_.smoke);
    std::printf("device: %s, %u threads; int8 %.0f GOP/s, reading %zu MB %.1f GB/s\n", runner_->info().device.c_str(),
                pool_.threads(), peak_ * 1e-9, bytes / 1'000'000, bandwidth_ * 1e-9);
    std::printf("%-8s %5s %7s | %9s %9s tok/s | %7s GB/s %7s GOP/s | of roofline | of bound\n", "", "batch", "context",
                "best", "median", "", "");
    std::fflush(stdout);
  }

  // What the machine allows changes from minute to minute: the better of before and after a row counts.
  void measure_bounds() {
    const KernelBounds now = kernel_bounds(pool_, arguments_.kernels, arguments_.smoke);
    bounds_.nibbles = std::max(bounds_.nibbles, now.nibbles);
    bounds_.nibbles_with_min = std::max(bounds_.nibbles_with_min, now.nibbles_with_min);
    bounds_.bytes = std::max(bounds_.bytes, now.bytes);
    bounds_.attention = std::max(bounds_.attention, now.attention);
    read_rate_ = std::max(read_rate_, read_bandwidth(pool_, static_cast<std::size_t>(streamed_bytes_), true));
  }
  void begin_row() {
    bounds_ = {};
    read_rate_ = 0;
    measure_bounds();
  }

  // At best: what has to be read at the measured bandwidth, or computed at the measured rate, whichever takes longer.
  double roofline_share(const Row& row) const {
    double least = std::max(bandwidth_ > 0 ? row.bytes / bandwidth_ : 0, peak_ > 0 ? row.operations / peak_ : 0);
    return least / row.median_s;
  }

  void add(Row row, std::vector<double> seconds) {
    std::sort(seconds.begin(), seconds.end());
    row.best_s = seconds.front();
    row.median_s = seconds[seconds.size() / 2];
    row.mean_s = std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(seconds.size());
    std::printf("%-8s %5u %7u | %9.1f %9.1f       | %7.1f      %7.0f       | %9.1f %% | ", row.phase, row.batch,
                row.context, row.tokens / row.best_s, row.tokens / row.median_s, row.bytes / row.median_s * 1e-9,
                row.operations / row.median_s * 1e-9, 100 * roofline_share(row));
    if (row.least_s > 0) std::printf("%6.1f %%\n", 100 * row.least_s / row.median_s);
    if (row.least_s <= 0) std::printf("       -\n");
    std::fflush(stdout);
    rows_.push_back(row);
  }

  bool fits(const char* phase, std::uint32_t batch, std::uint32_t positions, std::uint32_t blocks) const {
    const char* why = nullptr;
    if (positions > memory_.context) why = "the context is too short";
    if (blocks > memory_.kv_blocks) why = "there are not enough K/V blocks (kv.memory)";
    if (batch > runner_->info().rows_max) why = "batching.sequences_max is lower";
    if (why != nullptr) std::printf("%-8s %5u %7u | not measured: %s\n", phase, batch, positions, why);
    return why == nullptr;
  }

  // The whole prompt in the steps a server would take at most, one sampled token at its end.
  Status prefill(std::uint32_t tokens) {
    BenchDriver driver(*runner_, tokens);
    if (!fits("prefill", 1, tokens, driver.blocks_for(1))) return {};
    std::uint32_t chunk = std::min(tokens, runner_->info().tokens_max);
    std::vector<double> seconds;
    begin_row();
    for (std::uint32_t round = 0; round < (arguments_.smoke ? 1 : arguments_.rounds); ++round) {
      double sum = 0;
      for (std::uint32_t at = 0; at < tokens; at += chunk) {
        std::uint32_t count = std::min(chunk, tokens - at);
        auto done = driver.step(0, 1, at, count, at + count == tokens);
        if (!done) return done.error();
        sum += *done;
      }
      seconds.push_back(sum);
    }
    double products = layer_products_ * tokens + head_products_ + attention_products_ * tokens * (tokens + 1.0) / 2;
    std::uint32_t steps = (tokens + chunk - 1) / chunk;
    measure_bounds();
    double least = 0;
    for (std::uint32_t at = 0; at < tokens; at += chunk) {
      const double count = std::min(chunk, tokens - at);
      least += least_seconds(model_, bounds_, read_rate_, {count, 1, count * (at + (count + 1) / 2), 0});
    }
    add({"prefill", 1, tokens, 0, 0, 0, static_cast<double>(tokens), 2 * products, streamed_bytes_ * steps, least},
        seconds);
    return {};
  }

  Status decode(std::uint32_t batch, std::uint32_t context) {
    std::uint32_t steps = arguments_.smoke ? 3 : 8 * arguments_.rounds;
    BenchDriver driver(*runner_, context + steps);
    if (!fits("decode", batch, context + steps, driver.blocks_for(batch))) return {};
    if (Status done = driver.touch(batch, context + steps); !done) return done;
    std::vector<double> seconds;
    begin_row();
    for (std::uint32_t i = 0; i < steps; ++i) {
      auto done = driver.step(0, batch, context + i, 1, true);
      if (!done) return done.error();
      seconds.push_back(*done);
    }
    double middle = context + steps / 2.0;
    double products = layer_products_ + head_products_ + attention_products_ * middle;
    double kv_bytes = static_cast<double>(model_.kv_layout.token_bytes()) * middle;
    measure_bounds();
    const double least =
        least_seconds(model_, bounds_, read_rate_, {1.0 * batch, 1.0 * batch, middle * batch, kv_bytes * batch});
    add({"decode", batch, context, 0, 0, 0, static_cast<double>(batch), 2 * products * batch,
         streamed_bytes_ + kv_bytes * batch, least},
        seconds);
    return {};
  }

  const BenchArguments& arguments_;
  const HostModel& model_;
  const MemoryPlan memory_;
  ThreadPool pool_;  // for the machine's own figures
  std::unique_ptr<StepRunner> runner_;
  double layer_products_ = 0, head_products_ = 0;  // of a token; of a token that is sampled
  double attention_products_ = 0;                  // of a token and a position it sees
  double streamed_bytes_ = 0;
  double peak_ = 0, bandwidth_ = 0;
  KernelBounds bounds_;
  double read_rate_ = 0;  // as the bounds: of this row's minute
  std::vector<Row> rows_;
};

}  // namespace

int bench(const LoadedSettings& loaded, BenchArguments arguments) {
  const Settings& settings = loaded.settings;
  if (settings.model.empty()) return report({ErrorCode::kConfiguration, "no model: give --model FILE.gguf", "", 0});
  auto kernels = select_kernels_from_environment();
  if (!kernels) return report(kernels.error());
  if (arguments.smoke) arguments.prompts = {64}, arguments.batches = {1, 4}, arguments.contexts = {64};

  std::uint32_t threads = thread_plan(settings).compute;
  LoadOptions options;
  options.limits = host_limits(settings, threads);
  options.limits.rows_max =
      std::max(options.limits.rows_max, *std::max_element(arguments.batches.begin(), arguments.batches.end()));
  options.limits.tokens_max = std::max(options.limits.tokens_max, options.limits.rows_max);
  options.memory = memory_budget(settings);
  options.kernels = *kernels;
  auto model = load_model(settings.model, options);
  if (!model) return report(model.error());
  arguments.model_name = model->card.name;
  arguments.kernels = (*kernels)->name;
  std::printf("model: %s, %s, %s\n", model->card.name.c_str(), model->card.quantization.c_str(),
              describe(model->memory).c_str());

  Bench bench(arguments, *model, threads);
  if (Status done = bench.run(); !done) return report(done.error());
  if (!arguments.json.empty()) {
    std::ofstream out(arguments.json);
    out << bench.json("troupe bench --model " + settings.model) << "\n";
    if (!out.flush()) return report({ErrorCode::kConfiguration, "cannot write " + arguments.json, "", 0});
  }
  return kExitDone;
}

}  // namespace troupe
