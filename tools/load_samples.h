// What a load test's record says, as samples: ready for quantiles, sums, and resampling.
//
// A round is what is resampled: a whole repetition where there are three or more that count, else
// one of 20 equal parts of the time of each. A request belongs to the round of its intended send.
// Warm-up is left out, and so are repetitions whose anchors drifted, unless all did.
#ifndef PLUMBLINE_TOOLS_LOAD_SAMPLES_H_
#define PLUMBLINE_TOOLS_LOAD_SAMPLES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tools/load_record.h"
#include "tools/load_slo.h"

namespace plumbline {

// A figure with a distribution over requests (or gaps); in seconds, less is better.
struct LoadSamples {
  std::string name;
  std::vector<double> values;
  std::vector<int64_t> rounds;  // of each value
};

// A figure that is one sum over another, each the sum of its rounds.
struct LoadRatio {
  std::string name;
  std::string unit;
  int better = 0;                    // 1: more, -1: less, 0: neither
  std::vector<double> numerators;    // [rounds]
  std::vector<double> denominators;  // [rounds]
};

struct LoadRounds {
  int64_t rounds = 0;
  std::vector<LoadSamples> samples;
  std::vector<LoadRatio> ratios;
  int64_t measured = 0;   // requests after warm-up
  int64_t completed = 0;  // of them
  int64_t good = 0;       // of them, those that met the goals (without goals: all)
  int64_t discarded = 0;  // repetitions, for their drift
};

// Repetitions that figures are taken of: those whose anchors held still; all, where none's did.
// They are not owned, and live as long as the record.
std::vector<const RepetitionRecord*> CountedRepetitions(const LoadRecord& record);

// Names of samples: ttft, queue, prefill, stalled, preempted, itl, tpot, e2e; of ratios: requests,
// goodput, good, output, input, running, waiting, cache, waste, hits, preemptions, prediction.
LoadRounds CollectRounds(const LoadRecord& record, const LoadSlo& slo);

// Whether a round is a whole repetition.
bool RoundsAreRepetitions(const LoadRecord& record, const LoadRounds& rounds);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_SAMPLES_H_
