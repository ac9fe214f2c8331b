// troupe check: what would be in force, and whether the model would load, without serving.
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/engine.hpp"
#include "runtime/cpu_count.hpp"

namespace troupe {

int check(const LoadedSettings& loaded) {
  const Settings& settings = loaded.settings;
  std::fputs(print_settings(loaded).c_str(), stdout);
  if (settings.model.empty()) return kExitDone;
  auto chat_template = chat_template_of(settings);
  if (!chat_template) return report(chat_template.error());
  std::uint32_t threads = thread_plan(settings).compute;
  auto model = check_model(settings.model, host_limits(settings, threads), memory_budget(settings), *chat_template);
  if (!model) return report(model.error());
  std::printf("\n# %s: architecture %s, %s, vocabulary %u, numerics class %s\n# %s\n", model->card.name.c_str(),
              model->card.architecture.c_str(), model->card.quantization.c_str(), model->card.vocab_size,
              model->card.numerics_class.c_str(), describe(model->memory).c_str());
  return kExitDone;
}

}  // namespace troupe
