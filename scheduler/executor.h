// What runs a step. The model's adaptor is one implementation; tests have a fake with a virtual
// clock.
#ifndef PLUMBLINE_SCHEDULER_EXECUTOR_H_
#define PLUMBLINE_SCHEDULER_EXECUTOR_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "cache/kv_store.h"
#include "engine/cost_model.h"
#include "engine/model.h"
#include "engine/step_batch.h"
#include "engine/work.h"

namespace plumbline {

// Used by one thread at a time.
class Executor {
 public:
  virtual ~Executor() = default;
  // Runs the batch and returns logits [batch.num_logit_rows, vocab()], valid until the next call;
  // `*work` gets the counters of what ran. An error ends the requests of this step only.
  virtual absl::StatusOr<absl::Span<const float>> Run(const StepBatch& batch, StepWork* work) = 0;
  virtual int vocab() const = 0;
  // Positions a sequence can have.
  virtual int context() const = 0;
  // What the cost model needs; the ledger puts its formulas beside the counters.
  virtual CostShape cost_shape() const = 0;
};

// A model with its cache. Neither is owned; both must outlive the executor.
class ModelExecutor final : public Executor {
 public:
  ModelExecutor(Model& model, KvStore& store) : model_(model), store_(store) {}
  absl::StatusOr<absl::Span<const float>> Run(const StepBatch& batch, StepWork* work) override;
  int vocab() const override { return model_.config().vocab; }
  int context() const override { return model_.config().context; }
  CostShape cost_shape() const override;

 private:
  Model& model_;
  KvStore& store_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_EXECUTOR_H_
