#include "scheduler/ledger.h"

#include <cstddef>
#include <optional>

#include "absl/container/inlined_vector.h"

namespace plumbline {

void RecordStep(const StepPlan& plan, const StepWork& work, const CostShape& shape,
                const MachineProfile* profile) {
  // Room for the spans of every usual step, so that a steady step allocates nothing.
  absl::InlinedVector<SpanShape, 256> spans;
  for (const PlannedSpan& span : plan.spans) {
    spans.push_back({span.first_position, span.count, span.logit_rows});
  }
  const ByteCounts formula_bytes = StepBytes(shape, spans);
  int64_t formula_softmax_pairs = 0;
  for (const SpanShape& span : spans) formula_softmax_pairs += SpanSoftmaxPairs(shape, span);
  std::optional<StepTime> predicted;
  if (profile != nullptr) predicted = PredictStep(*profile, shape, spans);
  const int step_tokens = plan.num_tokens();
  for (size_t i = 0; i < plan.spans.size(); ++i) {
    const PlannedSpan& span = plan.spans[i];
    RequestStep step;
    step.new_tokens = span.count;
    step.context_tokens = span.first_position + span.count;
    step.step_tokens = step_tokens;
    step.measured_macs = work.spans[i];
    step.formula_macs = SpanMacs(shape, spans[i]);
    step.measured_bytes = work.bytes;
    step.formula_bytes = formula_bytes;
    step.measured_softmax_pairs = work.softmax_pairs;
    step.formula_softmax_pairs = formula_softmax_pairs;
    step.measured_seconds = work.seconds;
    step.predicted = predicted;
    span.sequence->result.steps.push_back(step);
  }
}

void RecordCache(Sequence& sequence, const CostShape& shape, const KvGeometry& geometry) {
  RequestCache& cache = sequence.result.cache;
  cache.block_tokens = sequence.table.block_tokens();
  cache.blocks = static_cast<int64_t>(sequence.table.blocks().size());
  cache.shared_blocks = sequence.shared_blocks;
  cache.token_bytes = geometry.TokenBytes();
  cache.used_bytes_measured = sequence.computed_tokens * geometry.TokenBytes();
  cache.allocated_bytes_measured = cache.blocks * geometry.BlockBytes();
  cache.waste_tokens = sequence.table.capacity_tokens() - sequence.computed_tokens;
  // The last token of an output is never fed back.
  const int64_t stored = static_cast<int64_t>(sequence.tokens.size()) - 1;
  cache.used_bytes_formula = KvUsedBytes(shape, stored);
  cache.allocated_bytes_formula = KvAllocatedBytes(shape, stored);
}

}  // namespace plumbline
