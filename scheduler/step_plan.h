// Which tokens run in the next step.
#ifndef PLUMBLINE_SCHEDULER_STEP_PLAN_H_
#define PLUMBLINE_SCHEDULER_STEP_PLAN_H_

#include <vector>

#include "engine/step_batch.h"
#include "scheduler/sequence.h"

namespace plumbline {

struct PlannedSpan {
  Sequence* sequence = nullptr;  // owned by the scheduler
  int first_position = 0;
  int count = 0;
  int logit_rows = 0;  // 1 where the span ends at the sequence's last known token, else 0
};

struct StepPlan {
  std::vector<PlannedSpan> spans;  // decode spans first
  double start_seconds = 0;        // clock time at the start of Plan
  double end_seconds = 0;          // of Commit or Abort, once it came
  // Sequences that gave their blocks away for it; owned by the scheduler.
  std::vector<const Sequence*> preempted;
  // Prompt tokens run beside streams, and the step is predicted to miss SchedulerOptions'
  // itl_target_seconds even so.
  bool over_itl_target = false;

  bool empty() const { return spans.empty(); }
  int num_tokens() const;
  // Of all but the start.
  void Clear();
};

// Flattens the plan; reuses the room of `*batch`.
void BuildBatch(const StepPlan& plan, StepBatch* batch);

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_STEP_PLAN_H_
