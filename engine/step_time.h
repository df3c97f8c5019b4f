// How long a step should take on a measured machine: the predicted column. For each class of work
// the larger of its compute and memory time at the calibrated rates, plus the overhead of its
// calls (the roofline of Williams, Waterman and Patterson 2009, with a fixed cost per call).
// Attention's parts that follow one another (spans; reading a tile's keys and computing with them)
// take the larger each: while one waits for memory, the other's products do not run.
#ifndef PLUMBLINE_ENGINE_STEP_TIME_H_
#define PLUMBLINE_ENGINE_STEP_TIME_H_

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/cost_model.h"
#include "engine/machine_profile.h"
#include "engine/work.h"

namespace plumbline {

// What a class of work waits for.
enum class Bound : uint8_t { kCompute, kMemory, kOverhead };
absl::string_view BoundName(Bound bound);

struct ClassTime {
  double compute_seconds = 0;
  double memory_seconds = 0;
  double overhead_seconds = 0;
  // What comes on top of the larger of compute and memory, where parts that follow one another are
  // bound by the one and by the other.
  double in_turn_seconds = 0;

  double work_seconds() const {
    return std::max(compute_seconds, memory_seconds) + in_turn_seconds;
  }
  double seconds() const { return work_seconds() + overhead_seconds; }
  // The largest of the three.
  Bound bound() const;
};

struct StepTime {
  std::array<ClassTime, kNumWorkClasses> classes = {};  // indexed by WorkClass

  double seconds() const;
  ClassSeconds class_seconds() const;
};

// The time of one forward pass over these spans on the profile's machine, in the form of attention
// that it has (profile.bf16_unit), whatever this machine's and the shape's is. Knows shapes and the
// profile only; never looks at a counter or a clock. Pure; allocates nothing.
StepTime PredictStep(const MachineProfile& profile, const CostShape& shape,
                     absl::Span<const SpanShape> spans);

// The time after the pass in which one thread finds the largest of each row of logits: greedy
// sampling. As PredictStep.
double PredictSampling(const MachineProfile& profile, const CostShape& shape,
                       absl::Span<const SpanShape> spans);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_STEP_TIME_H_
