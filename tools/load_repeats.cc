#include "tools/load_repeats.h"

#include <utility>

namespace plumbline {

absl::StatusOr<absl::Span<const float>> RepeatingExecutor::Run(const StepBatch& batch,
                                                               StepWork* work) {
  absl::StatusOr<absl::Span<const float>> logits = executor_.Run(batch, work);
  if (!logits.ok() || every_ == 0 || ++steps_ % every_ != 0) return logits;
  RepeatedStep step;
  step.seconds = clock_.NowSeconds();
  step.spans = SpanShapes(batch);
  again_.Reset(static_cast<int>(batch.spans.size()));
  step.cost_seconds = clock_.StandStill([&] { logits = executor_.Run(batch, &again_); });
  if (!logits.ok()) return logits;
  step.classes = again_.seconds;
  sink_.OnRepeat(std::move(step));
  return logits;
}

}  // namespace plumbline
