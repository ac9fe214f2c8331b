#pragma once
// From a path, of a GGUF file or of a Hugging Face folder, to everything the server needs of a model: weights, text
// codec, card, and a way to make runners. Every error reads "cannot load model 'X': <field>: <reason>" (kModelFile), or
// says why it does not fit (kConfiguration).
#include <memory>
#include <string>

#include "gpu/host/kernels.hpp"
#include "model/host_engine/host_model.hpp"
#include "model/host_engine/memory_plan.hpp"
#include "runtime/doors/model_catalog.hpp"
#include "runtime/doors/step_runner.hpp"
#include "runtime/profiler.hpp"

namespace troupe {

struct LoadOptions {
  HostLimits limits;
  MemoryBudget memory;
  const HostKernels* kernels = nullptr;  // from select_kernels
  LoadProgress progress;                 // may be empty
  std::string chat_template;             // instead of the file's own; empty: that one
  bool preload = true;                   // false: the weights are packed when the first step comes
  std::uint32_t warmup_samples = 0;      // steps of the first runner before anybody uses it; none without preload
  bool pin_memory = false;               // weights and K/V stay in RAM, where the system allows it
  std::function<void(std::uint64_t bytes)> pinned;  // told how much does
  std::shared_ptr<Profiler> profiler;               // of the runners; may be none
};

struct LoadedModel {
  ModelCard card;            // without aliases; name is the file's name without ".gguf", or the folder's
  std::string general_name;  // what the file calls the model, or empty
  MemoryPlan memory;
  std::shared_ptr<const HostModel> weights;  // none yet without preload
  // Makes a runner with the plan's K/V blocks; nullptr, and a line in the log, when the memory is gone.
  StepRunnerFactory make_runner;
};

Result<LoadedModel> load_model(const std::string& path, const LoadOptions& options);

// Everything load_model checks but the values of the weights, and the memory the model would take.
struct CheckedModel {
  ModelCard card;
  std::string general_name;
  MemoryPlan memory;
};
Result<CheckedModel> check_model(const std::string& path, const HostLimits& limits, const MemoryBudget& memory,
                                 const std::string& chat_template = {});

}  // namespace troupe
