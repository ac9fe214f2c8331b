#include "model/load_model.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

#include "model/architectures/architecture.hpp"
#include "model/gguf/gguf_file.hpp"
#include "model/gguf/load_error.hpp"
#include "model/host_engine/host_step_runner.hpp"
#include "model/tokenizer_metadata.hpp"
#include "runtime/log.hpp"
#include "text/text_codec.hpp"
#include "text/utf8.hpp"

namespace troupe {
namespace {

// A file that has passed every check but those of its weights' values. The description points into the file.
struct Checked {
  std::unique_ptr<GgufFile> file;
  ModelDescription description;
  CheckedModel model;
};

// The type most of the weights have: what people call the file's quantization.
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

Result<Checked> check(const std::string& path, const HostLimits& limits, const MemoryBudget& memory) {
  auto file = GgufFile::open(path);
  if (!file) return file.error();
  Checked checked;
  checked.file = std::make_unique<GgufFile>(std::move(*file));
  const Metadata& metadata = checked.file->metadata();
  auto description = describe_model(metadata, checked.file->tensors());
  if (!description) return description.error();
  checked.description = std::move(*description);
  const HyperParameters& hyper = checked.description.hyper;
  auto plan = plan_memory(checked.description, limits, memory);
  if (!plan) return plan.error();
  auto spec = read_tokenizer_spec(metadata, hyper.vocab_size);
  if (!spec) return spec.error();
  bool has_chat_template = !spec->chat_template.empty();
  auto codec = make_text_codec(std::move(*spec));
  if (!codec) return codec.error();
  // Completions work without one, so it is no reason not to serve the model.
  if (Status chats = (*codec)->chat_template_status(); has_chat_template && !chats) {
    log(LogLevel::kWarning, "model", path + ": " + chats.error().message);
  }

  ModelCard& card = checked.model.card;
  card.name = std::filesystem::path(path).stem().string();
  card.created_s = checked.file->modified_s();
  card.context_length = plan->context;
  card.vocab_size = hyper.vocab_size;
  card.architecture = hyper.architecture;
  card.quantization = quantization_of(checked.file->tensors());
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

StepRunnerFactory runner_factory(const std::shared_ptr<const HostModel>& model, const HostKernels& kernels,
                                 const HostLimits& limits, std::uint32_t kv_blocks) {
  return [model, &kernels, limits, kv_blocks]() -> std::unique_ptr<StepRunner> {
    auto runner = HostStepRunner::make(model, kernels, limits, kv_blocks);
    if (runner) return std::move(*runner);
    log(LogLevel::kError, "model", "no runner: " + runner.error().message);
    return nullptr;
  };
}

}  // namespace

Result<CheckedModel> check_model(const std::string& path, const HostLimits& limits, const MemoryBudget& memory) {
  auto checked = check(path, limits, memory);
  if (!checked) return cannot_load(path, checked.error());
  return std::move(checked->model);
}

Result<LoadedModel> load_model(const std::string& path, const LoadOptions& options) {
  auto checked = check(path, options.limits, options.memory);
  if (!checked) return cannot_load(path, checked.error());
  LoadedModel loaded;
  loaded.card = std::move(checked->model.card);
  loaded.general_name = std::move(checked->model.general_name);
  loaded.memory = checked->model.memory;

  ThreadPool pool(options.limits.threads, "load");
  auto weights = make_host_model(checked->description, checked->file->tensors(), checked->file->header(),
                                 loaded.memory.context, options.limits.formats, pool, options.progress,
                                 [&file = *checked->file](std::span<const std::byte> read) { file.forget(read); });
  if (!weights) return cannot_load(path, weights.error());
  loaded.weights = *weights;
  log(LogLevel::kInfo, "model", describe_weights(*loaded.weights, *options.kernels));
  loaded.card.numerics_class = loaded.weights->numerics_class;
  loaded.card.device = std::string("host ") + options.kernels->name;
  loaded.make_runner = runner_factory(loaded.weights, *options.kernels, options.limits, loaded.memory.kv_blocks);
  return loaded;
}

}  // namespace troupe
