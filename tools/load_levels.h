// How many requests ran and waited, and how much of the cache they held, over time.
#ifndef PLUMBLINE_TOOLS_LOAD_LEVELS_H_
#define PLUMBLINE_TOOLS_LOAD_LEVELS_H_

#include <cstdint>
#include <map>
#include <vector>

#include "absl/types/span.h"
#include "tools/load_record.h"

namespace plumbline {

// Holds from here to the next one; 0 before the first.
struct LevelPoint {
  double seconds = 0;
  double level = 0;

  bool operator==(const LevelPoint&) const = default;
};
using Levels = std::vector<LevelPoint>;  // times ascend, and neighbours differ

// Running and waiting are counted from the requests' own times, as the figures "running" and
// "waiting" are (load_samples.h); blocks come from the steps, and fall to 0 where a step ended and
// nothing ran until the next.
struct LoadLevels {
  Levels running;  // holds blocks
  Levels waiting;  // was intended to be sent, and holds none
  Levels blocks;   // held; empty where the target tells no steps
};

// By replica.
std::map<int64_t, LoadLevels> LevelsByReplica(const RepetitionRecord& repetition);

// The sum of all.
LoadLevels TotalLevels(const std::map<int64_t, LoadLevels>& by_replica);

// Means over `parts` equal parts of [0, end_seconds]; each point stands at the start of its part.
// REQUIRES: parts > 0.
std::vector<LevelPoint> MeanLevels(const Levels& levels, double end_seconds, int parts);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_LEVELS_H_
