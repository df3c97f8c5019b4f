#include "scheduler/step_event.h"

#include "scheduler/scheduler.h"

namespace plumbline {

void Scheduler::Describe(const StepPlan& plan, StepEvent* event) const {
  event->start_seconds = plan.start_seconds;
  event->spans.clear();
  event->preempted.clear();
  event->over_itl_target = plan.over_itl_target;
  event->cached_tokens = 0;
  int64_t slots = 0;
  for (const PlannedSpan& span : plan.spans) {
    const Sequence& sequence = *span.sequence;
    event->spans.push_back({sequence.request.tag, span.first_position, span.count,
                            sequence.prompt_tokens(), sequence.output_tokens()});
    event->cached_tokens += span.count;
  }
  for (const Sequence* sequence : plan.preempted) {
    event->preempted.push_back(sequence->request.tag);
  }
  for (const SequencePtr& sequence : running_) {
    event->cached_tokens += sequence->computed_tokens;
    slots += sequence->table.capacity_tokens();
  }
  event->waste_tokens = slots - event->cached_tokens;
  event->running = num_running();
  event->waiting = num_waiting();
  event->blocks_free = blocks_.available();
  event->blocks_used = pool_.num_blocks() - event->blocks_free;
}

}  // namespace plumbline
