// How predictions of steps are carried from a profile to a run: by steps of the run that ran twice
// (load_repeats.h).
#ifndef PLUMBLINE_TOOLS_LOAD_STEP_SCALE_H_
#define PLUMBLINE_TOOLS_LOAD_STEP_SCALE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "engine/cost_model.h"
#include "engine/step_time.h"
#include "engine/work.h"
#include "tools/load_anchors.h"
#include "tools/load_record.h"

namespace plumbline {

// How many times their prediction the classes of a run's repeated steps took, by the rows of the
// steps: these are sorted by rows and cut into at most kScalePoints groups of about as many, at
// least kScaleSteps each (or all of them together). A group is all its time over all that was
// predicted of it, since what a host takes away now and then a run loses, too. Classes stand apart
// because their shares differ between steps of as many rows. Immutable.
class StepScale {
 public:
  // Predictions are at the rates that the machine had when each step ran.
  // REQUIRES: each step has a span with tokens.
  StepScale(const AnchoredProfile& profile, const CostShape& shape,
            absl::Span<const RepeatedStep> steps);

  // Of a step of `rows` rows: its predicted seconds, class by class times what that took of its
  // prediction; between two groups straight over the logarithm of rows, outside of them as the
  // nearer. As predicted where no step was repeated. REQUIRES: rows > 0.
  double Seconds(const StepTime& predicted, int64_t rows) const;
  // Of whole steps: "0.98 at 8 rows, 1.04 at 128"; empty where there are none.
  std::string ToString() const;

 private:
  struct Point {
    double rows = 0;            // the geometric mean of a group's
    double whole = 1;           // times its prediction
    ClassSeconds classes = {};  // the same of each
  };
  std::vector<Point> points_;  // by rows
};

inline constexpr int64_t kScalePoints = 6;
inline constexpr int64_t kScaleSteps = 8;

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_STEP_SCALE_H_
