#include "scheduler/step_plan.h"

#include "absl/types/span.h"

namespace plumbline {

int StepPlan::num_tokens() const {
  int tokens = 0;
  for (const PlannedSpan& span : spans) tokens += span.count;
  return tokens;
}

void StepPlan::Clear() {
  spans.clear();
  preempted.clear();
  over_itl_target = false;
}

void BuildBatch(const StepPlan& plan, StepBatch* batch) {
  batch->Clear();
  for (const PlannedSpan& span : plan.spans) {
    const Sequence& sequence = *span.sequence;
    batch->AddSpan(
        absl::MakeConstSpan(sequence.tokens)
            .subspan(static_cast<size_t>(span.first_position), static_cast<size_t>(span.count)),
        span.first_position, span.logit_rows, sequence.table.blocks());
  }
}

}  // namespace plumbline
