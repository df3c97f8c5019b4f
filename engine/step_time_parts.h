// What the files of step_time.h share.
#ifndef PLUMBLINE_ENGINE_STEP_TIME_PARTS_H_
#define PLUMBLINE_ENGINE_STEP_TIME_PARTS_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "engine/cost_model.h"
#include "engine/machine_profile.h"
#include "engine/rate_tables.h"
#include "engine/step_time.h"

namespace plumbline::step_time {

inline double Real(int64_t value) { return static_cast<double>(value); }

// One step, and what all its parts ask of it.
struct Step {
  const MachineProfile& profile;
  const RateTables tables;
  const CostShape shape;  // attention in the form that the profile's machine has
  absl::Span<const SpanShape> spans;
  int64_t tokens = 0;
  int64_t logit_rows = 0;
  double weight_bytes = 0;
  double cache_bytes = 0;  // keys and values of all spans, once
  int threads = 1;         // that the pass runs on (pass_threads.h); rates are of all there are

  // How often loops are handed to other threads, of `loops`.
  double Handed(double loops) const { return threads > 1 ? loops : 0; }

  // The step goes once over its weights and its cache: what of them a cache level keeps until the
  // next step is a matter of their size together.
  double working_set_bytes() const { return weight_bytes + cache_bytes; }
  ClassTime& Class(StepTime& time, WorkClass c) const {
    return time.classes[static_cast<size_t>(c)];
  }
};

// Fills the three classes of attention. Const on `step`; allocates nothing.
void AddAttention(const Step& step, StepTime& time);

}  // namespace plumbline::step_time

#endif  // PLUMBLINE_ENGINE_STEP_TIME_PARTS_H_
