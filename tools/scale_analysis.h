// From the raw samples of `plumbline scale` to what they mean.
#ifndef PLUMBLINE_TOOLS_SCALE_ANALYSIS_H_
#define PLUMBLINE_TOOLS_SCALE_ANALYSIS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "tools/scale_findings.h"
#include "tools/scale_samples.h"

namespace plumbline {

struct ScaleAnalysisOptions {
  uint64_t seed = 1;  // of the resampling behind every interval
  int resamples = 1000;
  int64_t block = 1;              // repetitions that stay together in it (stats.h)
  int64_t free_memory_bytes = 0;  // of this host, for the table of lengths; 0: unknown
};

// Variants of a model (sweeps over layers, heads and KV heads) are reported with the model: the
// last one before them in `data.points` whose name begins alike, up to the first comma. What was
// not measured, or too sparsely, is unknown in the findings; the rest is not touched by it. A pure
// function of its arguments; thread-safe. InvalidArgument: a sample of a point that there is none
// of, a repetition below 0 or from 2^20 on, two samples of one repetition of a point, a point
// without tokens, or options out of range.
absl::StatusOr<ScaleFindings> AnalyseScale(const ScaleData& data,
                                           const ScaleAnalysisOptions& options = {});

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_ANALYSIS_H_
