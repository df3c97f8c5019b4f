// The step times of a run that was recorded, for a simulation to repeat them: the real scheduler
// must then come to every decision, and every timestamp, of that run.
#ifndef PLUMBLINE_TOOLS_LOAD_REPLAY_H_
#define PLUMBLINE_TOOLS_LOAD_REPLAY_H_

#include <vector>

#include "tools/load_record.h"
#include "tools/load_simulation.h"

namespace plumbline {

struct RecordedTimes {
  std::vector<double> step_seconds;   // start to end of each step
  std::vector<double> pause_seconds;  // before it: since the step before, or since a request came
                                      // to an idle engine
};

// Of the steps of one replica.
RecordedTimes TimesOf(const RepetitionRecord& repetition);

// Fills step_seconds and pause_seconds of `options`. Steps past the recorded ones (the run took
// other decisions) take no time. `times` is copied.
void ReplayTimes(const RecordedTimes& times, SimulationOptions* options);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_REPLAY_H_
