// Puts a step's counters and clock beside the cost model's figures, for every request it served.
#ifndef PLUMBLINE_SCHEDULER_LEDGER_H_
#define PLUMBLINE_SCHEDULER_LEDGER_H_

#include "cache/kv_store.h"
#include "engine/cost_model.h"
#include "engine/work.h"
#include "scheduler/step_plan.h"

namespace plumbline {

// Appends one RequestStep to each planned sequence's result. `work` is what the executor counted
// for the plan's batch (spans in the plan's order). Call after Run and before Commit: Commit
// stamps the times.
void RecordStep(const StepPlan& plan, const StepWork& work, const CostShape& shape);

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_LEDGER_H_
