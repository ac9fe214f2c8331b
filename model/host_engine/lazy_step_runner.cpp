#include "model/host_engine/lazy_step_runner.hpp"

namespace troupe {

void LazyStepRunner::submit(std::shared_ptr<const StepPlan> plan, Done done) {
  if (!runner_) {
    auto made = make_(alive_);
    if (!made) return done(made.error());
    if ((*made)->info().numerics_class != info_.numerics_class)
      return done(Error{ErrorCode::kModelFile, "the model's file has changed since the server started", "", 0});
    runner_ = std::move(*made);
  }
  runner_->submit(std::move(plan), std::move(done));
}

}  // namespace troupe
