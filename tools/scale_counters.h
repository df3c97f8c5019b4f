// From a plan's counter-examples to the functions that measure them.
#ifndef PLUMBLINE_TOOLS_SCALE_COUNTERS_H_
#define PLUMBLINE_TOOLS_SCALE_COUNTERS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/scale_passes.h"
#include "tools/scale_samples.h"
#include "tools/scale_sweeps.h"

namespace plumbline {

// Measures what `run.counter` names (scale_counter.h has the errors), at run.lengths; `chunk` is
// the usual number of prompt tokens of a step. Lengths without room go to `left_out`.
// REQUIRES: run.counter is "no_cache", "chunk", "attention", "softmax", "ffn" or "paged".
absl::Status RunCounterExample(const ScaleRun& run, int64_t chunk, const CounterOptions& options,
                               ScaleData& data, std::vector<std::string>& left_out);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_COUNTERS_H_
