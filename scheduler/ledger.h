// Puts a step's counters and clock beside the cost model's figures, for every request it served.
#ifndef PLUMBLINE_SCHEDULER_LEDGER_H_
#define PLUMBLINE_SCHEDULER_LEDGER_H_

#include "cache/kv_geometry.h"
#include "engine/cost_model.h"
#include "engine/machine_profile.h"
#include "engine/work.h"
#include "scheduler/sequence.h"
#include "scheduler/step_plan.h"

namespace plumbline {

// Appends one RequestStep to each planned sequence's result. `work` is what the executor counted
// for the plan's batch (spans in the plan's order). Times are predicted from `profile`; null: they
// are not. Call after Run and before Commit: Commit stamps the times.
// REQUIRES: work.spans.size() == plan.spans.size().
void RecordStep(const StepPlan& plan, const StepWork& work, const CostShape& shape,
                const MachineProfile* profile = nullptr);

// Fills the sequence's RequestCache. Measured: blocks it holds, also those it shares, and tokens
// stored there, in the sizes that `geometry`, which addresses the store, gives them. Formula: what
// prompt + output - 1 tokens should take; a request that ends before all of them were stored
// (cancelled, failed) measures less. Call just before the blocks return. REQUIRES: the sequence has
// a token.
void RecordCache(Sequence& sequence, const CostShape& shape, const KvGeometry& geometry);

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_LEDGER_H_
