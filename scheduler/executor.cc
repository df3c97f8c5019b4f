#include "scheduler/executor.h"

namespace plumbline {

absl::StatusOr<absl::Span<const float>> ModelExecutor::Run(const StepBatch& batch, StepWork* work) {
  return model_.Forward(batch, store_, work);
}

CostShape ModelExecutor::cost_shape() const {
  const ModelOptions& options = model_.options();
  return CostShape::From(model_.config(), options.weights, options.kv_dtype, options.block_tokens);
}

}  // namespace plumbline
