// Carries out a plan of the scale study: loads one model after the other, measures what runs on it
// in its share of the time, and keeps the files up to date.
#ifndef PLUMBLINE_TOOLS_SCALE_MEASURE_H_
#define PLUMBLINE_TOOLS_SCALE_MEASURE_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "scheduler/clock.h"
#include "tools/scale_engine.h"
#include "tools/scale_files.h"
#include "tools/scale_run.h"
#include "tools/scale_sweeps.h"

namespace plumbline {

struct ScaleMeasureOptions {
  ScaleEngineOptions engine;
  StopRule stop;
  int most_repetitions = 40;
  int chunk_tokens = 512;       // prompt tokens of a step
  int counter_repetitions = 7;  // of a counter-example's passes, which all run equally often
  double budget_seconds = 600;  // over all sittings
  uint64_t seed = 1;
};

struct ScaleMeasureHooks {
  std::function<bool()> cancelled;
  // What is under way, and what part of the whole is done, 0 to 1.
  std::function<void(const std::string& what, double part)> progress;
  // Called when a run is done, and after a round where the last call was some seconds ago.
  std::function<absl::Status()> save;
};

// Adds to `study` what its plan still lacks. Time is shared out over the runs, in part equally and
// in part by what a repetition costs; what a run leaves over goes to those after it. Where the time
// is up or memory short, `study.left_out` says what was not measured.
// Cancelled where the hook said so, with every complete sample in `study`; errors of the engine and
// of hooks.save. `clock` counts the seconds of this sitting. REQUIRES: `study` was made for `plan`.
absl::Status MeasureStudy(const ScaleMeasureOptions& options, const ScalePlan& plan,
                          const Clock& clock, const ScaleMeasureHooks& hooks, ScaleStudy& study);

// What each run gets of the time, relative to the others.
std::vector<double> RunWeights(const ScalePlan& plan);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_MEASURE_H_
