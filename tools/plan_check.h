// `generate --plan-check`: the planned memory of a run beside what the process really holds.
//
// Two columns that never meet: the plan is closed forms over shapes; the other side is sizes of
// real buffers, and the growth of anonymous resident memory from just before loading to the end of
// the run. What the matmul library compiles has no closed form: the plan compiles it first and
// measures it, loading finds it compiled, and it is named as measured.
#ifndef PLUMBLINE_TOOLS_PLAN_CHECK_H_
#define PLUMBLINE_TOOLS_PLAN_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cache/kv_store.h"
#include "engine/memory_plan.h"
#include "engine/model.h"
#include "nlohmann/json_fwd.hpp"
#include "tools/generate_setup.h"

namespace plumbline {

// What counts as agreement: |real - planned| / planned.
inline constexpr double kPlanTolerance = 0.05;

struct PlanCheck {
  MemoryPlan plan;
  int64_t baseline_bytes = 0;  // anonymous, resident, before anything was compiled or loaded
  // Sizes of real buffers.
  WeightSizes weights;
  ScratchSizes scratch;
  int64_t pool_bytes = 0;
  int64_t resident_bytes = 0;  // anonymous, resident, after the run

  int64_t real_bytes() const { return resident_bytes - baseline_bytes; }
  // (real - planned) / planned, of everything; and of what has a closed form.
  double difference() const;
  double closed_form_difference() const;
  bool within_tolerance() const;
};

// Plans the run, and takes the baseline. Call just before loading. Errors of
// MeasureMatmulFootprint.
absl::StatusOr<PlanCheck> StartPlanCheck(const GenerateSetup& setup);
// Fills in the real side. Call at the end of the run. Errors of AnonymousResidentBytes.
absl::Status FinishPlanCheck(const Model& model, const KvStore& store, PlanCheck* check);

// At most 80 columns; says plainly where the plan is off by more than the tolerance.
std::string PlanCheckReport(const PlanCheck& check);
nlohmann::ordered_json PlanCheckJson(const PlanCheck& check);
nlohmann::ordered_json MemoryPlanJson(const MemoryPlan& plan);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_PLAN_CHECK_H_
