#include "scheduler/step_event.h"

#include <algorithm>
#include <cstddef>

#include "scheduler/scheduler.h"

namespace plumbline {

// A block that several sequences share is full: what is computed of it counts once. What the step
// under way computes lies in blocks of one sequence each.
int64_t Scheduler::CountComputedOnce() {
  const bool any_shared =
      std::any_of(running_.begin(), running_.end(),
                  [](const SequencePtr& sequence) { return sequence->shared_blocks > 0; });
  if (any_shared) block_counted_.assign(static_cast<size_t>(pool_.num_blocks()), false);
  int64_t tokens = 0;
  for (const SequencePtr& sequence : running_) {
    tokens += sequence->computed_tokens;
    if (!any_shared) continue;
    const int64_t block_tokens = sequence->table.block_tokens();
    const absl::Span<const BlockId> blocks = sequence->table.blocks();
    const auto full = static_cast<size_t>(sequence->computed_tokens / block_tokens);
    for (const BlockId block : blocks.first(full)) {
      if (block_counted_[block]) tokens -= block_tokens;
      block_counted_[block] = true;
    }
  }
  return tokens;
}

void Scheduler::Describe(const StepPlan& plan, StepEvent* event) {
  event->start_seconds = plan.start_seconds;
  event->spans.clear();
  event->preempted.clear();
  event->over_itl_target = plan.over_itl_target;
  event->cached_tokens = CountComputedOnce();
  event->waste_tokens = 0;
  for (const PlannedSpan& span : plan.spans) {
    const Sequence& sequence = *span.sequence;
    event->spans.push_back({sequence.request.tag, span.first_position, span.count,
                            sequence.prompt_tokens(), sequence.output_tokens()});
    event->cached_tokens += span.count;
    event->waste_tokens -= span.count;
  }
  for (const Sequence* sequence : plan.preempted) {
    event->preempted.push_back(sequence->request.tag);
  }
  for (const SequencePtr& sequence : running_) {
    event->waste_tokens += sequence->table.capacity_tokens() - sequence->computed_tokens;
  }
  event->running = num_running();
  event->waiting = num_waiting();
  event->blocks_free = blocks_.available();
  event->blocks_used = pool_.num_blocks() - event->blocks_free;
}

}  // namespace plumbline
