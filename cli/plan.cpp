// troupe plan: how much memory a model takes, how many sequences fit, without loading it.
#include <algorithm>
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/engine.hpp"
#include "conf/quantity.hpp"
#include "runtime/cpu_count.hpp"

namespace troupe {
namespace {

// What the process takes beside the plan, measured: program, threads, actors; and a token's strings in the text codec.
constexpr std::uint64_t kProgramBytes = std::uint64_t{12} << 20;
constexpr std::uint64_t kVocabularyEntryBytes = 256;

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

void line(const char* what, std::uint64_t bytes, const std::string& why) {
  std::printf("%-12s %10.1f MiB   %s\n", what, mib(bytes), why.c_str());
}

}  // namespace

int plan(const LoadedSettings& loaded, const PlanArguments& arguments) {
  const Settings& settings = loaded.settings;
  if (settings.model.empty())
    return report(
        {ErrorCode::kConfiguration, "no model: give --model FILE, a GGUF file or a Hugging Face folder", "", 0});
  std::uint64_t memory = allowed_memory_bytes();
  if (!arguments.memory.empty()) {
    auto given = parse_quantity(arguments.memory);
    if (!given) return report(given.error());
    memory = *given;
  }
  HostLimits limits = host_limits(settings, thread_plan(settings).compute);
  // The parts first, whether or not they fit.
  auto model = check_model(settings.model, limits, {UINT64_MAX / 2, 0});
  if (!model) return report(model.error());
  const MemoryPlan& parts = model->memory;
  std::uint64_t process = kProgramBytes + model->card.vocab_size * kVocabularyEntryBytes;
  std::uint64_t fixed = parts.weights_bytes + parts.workspace_bytes + process;
  std::uint64_t blocks_each = (parts.context + kBlockSize - 1) / kBlockSize;
  std::uint64_t sequence = blocks_each * parts.kv_block_bytes;

  std::printf("%s: %s, %s, context %u\n\n", model->card.name.c_str(), model->card.architecture.c_str(),
              model->card.quantization.c_str(), parts.context);
  line("weights", parts.weights_bytes, "packed, with embeddings and rotary table");
  line("workspace", parts.workspace_bytes,
       std::to_string(limits.rows_max) + " sequences, " + std::to_string(limits.tokens_max) + " tokens a step, " +
           std::to_string(limits.threads) + " threads");
  line("process", process, "program, threads, text of the vocabulary");
  line("K/V", sequence,
       "of one sequence of " + std::to_string(parts.context) + " tokens: " +
           std::to_string(parts.kv_block_bytes / kBlockSize) + " bytes a token, " + name_of(parts.kv_type));
  std::printf("\n");
  if (arguments.sequences > 0) {
    line("in all", fixed + arguments.sequences * sequence,
         "resident when " + std::to_string(arguments.sequences) + " sequences have filled their context (kv.memory " +
             format_quantity(arguments.sequences * sequence) + ")");
  }
  std::uint64_t left = memory > fixed ? memory - fixed : 0;
  std::uint64_t least = kKvBlocksMin * parts.kv_block_bytes;
  if (left < least) {
    std::printf("does not fit: %.1f MiB of memory, at least %.1f are needed\n", mib(memory), mib(fixed + least));
    return kExitWrongInput;
  }
  std::uint64_t tokens = left / parts.kv_block_bytes * kBlockSize;
  std::uint64_t tokens_each = tokens / std::max(arguments.sequences, 1U) / kBlockSize * kBlockSize;
  line("memory", memory, arguments.memory.empty() ? "this process may use" : "given");
  std::printf("%-12s %10llu         sequences of %u tokens fit, or %llu tokens in all\n", "so",
              static_cast<unsigned long long>(left / sequence), parts.context, static_cast<unsigned long long>(tokens));
  if (arguments.sequences > left / sequence) {
    std::printf("%u sequences do not fit; a context of %llu tokens would (--model.context)\n", arguments.sequences,
                static_cast<unsigned long long>(tokens_each));
    return kExitWrongInput;
  }
  return kExitDone;
}

}  // namespace troupe
