// Steps of a run that are run again as anchors: what steps like these take at the moment, beside
// what is predicted of them. Matmul and memory rates carry a profile to another minute; what a
// profile has wrong, or a minute does to long steps alone, only steps show. Near capacity a queue
// makes several times that of it.
#ifndef PLUMBLINE_TOOLS_LOAD_REPEATS_H_
#define PLUMBLINE_TOOLS_LOAD_REPEATS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/cost_model.h"
#include "engine/step_batch.h"
#include "engine/work.h"
#include "scheduler/executor.h"
#include "tools/load_anchors.h"
#include "tools/load_target.h"

namespace plumbline {

// Runs every n-th step of another executor twice. Same bits make that harmless: the second
// run writes the very keys and values that the first one wrote. The run's clock stands still for
// it. One thread.
class RepeatingExecutor final : public Executor {
 public:
  // None is owned. `every` 0: no step is run again. REQUIRES: every >= 0.
  RepeatingExecutor(Executor& executor, int64_t every, LoadClock& clock, LoadSink& sink)
      : executor_(executor), every_(every), clock_(clock), sink_(sink) {}

  // Counters are those of the first run.
  absl::StatusOr<absl::Span<const float>> Run(const StepBatch& batch, StepWork* work) override;
  int vocab() const override { return executor_.vocab(); }
  int context() const override { return executor_.context(); }
  CostShape cost_shape() const override { return executor_.cost_shape(); }

 private:
  Executor& executor_;
  const int64_t every_;
  LoadClock& clock_;
  LoadSink& sink_;
  int64_t steps_ = 0;
  StepWork again_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_REPEATS_H_
