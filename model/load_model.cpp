#include "model/load_model.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "model/architectures/architecture.hpp"
#include "model/gguf/load_error.hpp"
#include "model/host_engine/host_step_runner.hpp"
#include "model/host_engine/lazy_step_runner.hpp"
#include "model/host_engine/numerics_class.hpp"
#include "model/host_engine/warm_up.hpp"
#include "model/model_source.hpp"
#include "runtime/log.hpp"
#include "text/text_codec.hpp"
#include "text/utf8.hpp"

namespace troupe {
namespace {

// A model that has passed every check but those of its weights' values. The description points into the source.
struct Checked {
  std::unique_ptr<ModelSource> source;
  ModelDescription description;
  CheckedModel model;
};

// The type most of the weights have: what people call the model's quantization.
std::string quantization_of(const TensorTable& tensors) {
  std::map<std::string, std::uint64_t> elements;
  for (const auto& [name, tensor] : tensors.all())
    if (tensor.dimensions > 1 && name.rfind("blk.", 0) == 0)
      elements[format_of(tensor.type).name] += tensor.shape[0] * tensor.rows();
  auto most = std::max_element(elements.begin(), elements.end(),
                               [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == elements.end() ? "" : most->first;
}

std::string general_name_of(const Metadata& metadata) {
  auto name = metadata.text("general.name", "");
  if (!name || find_invalid_utf8(*name)) return "";
  return *name;
}

Result<Checked> check(const std::string& path, const HostLimits& limits, const MemoryBudget& memory,
                      const std::string& chat_template) {
  auto source = open_model(path);
  if (!source) return source.error();
  Checked checked;
  checked.source = std::move(*source);
  const Metadata& metadata = checked.source->metadata();
  auto description = describe_model(metadata, checked.source->tensors());
  if (!description) return description.error();
  checked.description = std::move(*description);
  const HyperParameters& hyper = checked.description.hyper;
  auto plan = plan_memory(checked.description, limits, memory);
  if (!plan) return plan.error();
  auto spec = checked.source->take_tokenizer(hyper.vocab_size);
  if (!spec) return spec.error();
  if (!chat_template.empty()) spec->chat_template = chat_template;
  bool has_chat_template = !spec->chat_template.empty();
  auto codec = make_text_codec(std::move(*spec));
  if (!codec) return codec.error();
  // Completions work without one, so it is no reason not to serve the model.
  if (Status chats = (*codec)->chat_template_status(); has_chat_template && !chats) {
    log(LogLevel::kWarning, "model", path + ": " + chats.error().message);
  }

  ModelCard& card = checked.model.card;
  card.name = checked.source->name();
  card.created_s = checked.source->modified_s();
  card.context_length = plan->context;
  card.vocab_size = hyper.vocab_size;
  card.embedding_size = hyper.hidden_size;
  card.architecture = hyper.architecture;
  card.quantization = quantization_of(checked.source->tensors());
  card.codec = std::move(*codec);
  checked.model.general_name = general_name_of(metadata);
  checked.model.memory = *plan;
  return checked;
}

// "weights on avx2: 210 matrices as q4_1 (66 MiB), 1 as q8_0 (29 MiB)"
std::string describe_weights(const HostModel& model, const HostKernels& kernels) {
  std::string text;
  for (std::size_t i = 0; i < model.packed.size(); ++i) {
    const PackedShare& share = model.packed[i];
    if (share.matrices == 0) continue;
    text += text.empty() ? "" : ", ";
    text += std::to_string(share.matrices) + " as " + layout_of(static_cast<PackedFormat>(i)).name + " (" +
            std::to_string((share.bytes + (1U << 19)) >> 20U) + " MiB)";
  }
  return std::string("weights on ") + kernels.name + ": " + text + "; K/V in " + name_of(model.kv_layout.type);
}

std::string class_of(const Checked& checked, const LoadOptions& options, std::uint64_t hash) {
  return numerics_class(checked.source->header(), hash, checked.description, checked.model.memory.context,
                        options.limits.formats.weights, checked.model.memory.kv_type);
}

// Weights and runners of one model: the weights are packed once, by the first who needs them.
class Maker {
 public:
  Maker(Checked checked, const LoadOptions& options) : checked_(std::move(checked)), options_(options) {}

  // `alive` is called as it goes on.
  Result<std::shared_ptr<const HostModel>> weights(const std::function<void()>& alive = [] {}) {
    std::lock_guard lock(mutex_);
    if (weights_) return weights_;
    Result<std::shared_ptr<const HostModel>> weights = std::shared_ptr<const HostModel>();
    // In a thread of its own: it is pinned like the one that will compute, and this one goes on to start other threads.
    std::thread([&] { weights = pack(alive); }).join();
    if (!weights) return weights.error();
    log(LogLevel::kInfo, "model", describe_weights(**weights, *options_.kernels));
    if (options_.pin_memory) pinned((*weights)->pin_memory(), (*weights)->weights_bytes, "weights");
    weights_ = *weights;
    checked_.source.reset();
    return weights_;
  }

  // Of which class the weights will be, from the bytes of the source alone.
  std::string numerics_class() {
    ThreadPool pool(options_.limits.threads, "load");
    pool.begin_step();
    std::uint64_t hash = content_hash(checked_.source->tensors(), pool,
                                      [&](std::span<const std::byte> read) { checked_.source->forget(read); });
    pool.end_step();
    return class_of(checked_, options_, hash);
  }

  Result<std::unique_ptr<StepRunner>> runner(const std::function<void()>& alive = [] {}) {
    auto model = weights(alive);
    if (!model) return model.error();
    auto runner = HostStepRunner::make(*model, *options_.kernels, options_.limits, checked_.model.memory.kv_blocks,
                                       options_.profiler);
    if (!runner) return runner.error();
    if (options_.pin_memory) pinned((*runner)->pin_memory(), (*runner)->kv_bytes(), "K/V");
    return std::unique_ptr<StepRunner>(std::move(*runner));
  }

  RunnerInfo info(const std::string& numerics_class) const {
    RunnerInfo info;
    info.device = std::string("host ") + options_.kernels->name;
    info.numerics_class = numerics_class;
    info.blocks_total = checked_.model.memory.kv_blocks;
    info.rows_max = options_.limits.rows_max;
    info.tokens_max = options_.limits.tokens_max;
    info.context_length = checked_.model.memory.context;
    info.vocab_size = checked_.description.hyper.vocab_size;
    info.steps_in_flight = options_.limits.steps_in_flight;
    info.embedding_size = checked_.description.hyper.hidden_size;
    return info;
  }

  bool is_first_runner() { return !had_runner_.exchange(true); }
  const LoadOptions& options() const { return options_; }

 private:
  Result<std::shared_ptr<const HostModel>> pack(const std::function<void()>& alive) {
    std::optional<Result<std::shared_ptr<const HostModel>>> model;
    auto make = [&] {
      ThreadPool pool(options_.limits.threads, "load", options_.limits.pins);
      model = make_host_model(checked_.description, checked_.source->tensors(), checked_.source->header(),
                              checked_.model.memory.context, options_.limits.formats, pool, options_.progress,
                              [&](std::span<const std::byte> read) {
                                checked_.source->forget(read);
                                alive();
                              });
    };
    // Whoever packs on pinned threads is pinned, and so is what it starts afterwards.
    if (options_.limits.pins.empty()) make();
    if (!options_.limits.pins.empty()) std::thread(make).join();
    return std::move(*model);
  }
  void pinned(bool done, std::uint64_t bytes, const char* what) const {
    std::string text = std::string(what) + " (" + std::to_string(bytes >> 20U) + " MiB)";
    if (done && options_.pinned) options_.pinned(bytes);
    if (!done)
      log(LogLevel::kWarning, "model",
          text + " cannot be locked into RAM: the system's limit (ulimit -l, LimitMEMLOCK=) is lower");
  }

  std::mutex mutex_;
  Checked checked_;  // its source goes when the weights are packed
  const LoadOptions options_;
  std::shared_ptr<const HostModel> weights_;
  std::atomic<bool> had_runner_ = false;
};

std::unique_ptr<StepRunner> or_say_why(Result<std::unique_ptr<StepRunner>> runner) {
  if (runner) return std::move(*runner);
  log(LogLevel::kError, "model", "no runner: " + runner.error().message);
  return nullptr;
}

StepRunnerFactory eager_factory(std::shared_ptr<Maker> maker) {
  return [maker = std::move(maker)] {
    auto runner = or_say_why(maker->runner());
    if (runner && maker->is_first_runner()) {
      Status warm;  // in a thread of its own: the one that steps may be pinned, and threads it starts after it
      std::thread([&] { warm = warm_up(*runner, maker->options().warmup_samples); }).join();
      if (!warm) log(LogLevel::kWarning, "model", "warming up failed: " + warm.error().message);
    }
    return runner;
  };
}

StepRunnerFactory lazy_factory(const std::shared_ptr<Maker>& maker, const std::string& numerics_class) {
  return [maker, info = maker->info(numerics_class)]() -> std::unique_ptr<StepRunner> {
    return std::make_unique<LazyStepRunner>(
        info, [maker](const std::function<void()>& alive) { return maker->runner(alive); });
  };
}

}  // namespace

Result<CheckedModel> check_model(const std::string& path, const HostLimits& limits, const MemoryBudget& memory,
                                 const std::string& chat_template) {
  auto checked = check(path, limits, memory, chat_template);
  if (!checked) return cannot_load(path, checked.error());
  return std::move(checked->model);
}

Result<LoadedModel> load_model(const std::string& path, const LoadOptions& options) {
  auto checked = check(path, options.limits, options.memory, options.chat_template);
  if (!checked) return cannot_load(path, checked.error());
  LoadedModel loaded;
  loaded.card = std::move(checked->model.card);
  loaded.general_name = std::move(checked->model.general_name);
  loaded.memory = checked->model.memory;
  loaded.card.device = std::string("host ") + options.kernels->name;
  auto maker = std::make_shared<Maker>(std::move(*checked), options);
  if (options.preload) {
    auto weights = maker->weights();
    if (!weights) return cannot_load(path, weights.error());
    loaded.weights = *weights;
    loaded.card.numerics_class = loaded.weights->numerics_class;
    loaded.make_runner = eager_factory(std::move(maker));
  } else {
    loaded.card.numerics_class = maker->numerics_class();
    loaded.make_runner = lazy_factory(maker, loaded.card.numerics_class);
  }
  return loaded;
}

}  // namespace troupe
