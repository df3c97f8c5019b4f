// What `plumbline load` settles before it loads a weight.
#ifndef PLUMBLINE_TOOLS_LOAD_SETUP_H_
#define PLUMBLINE_TOOLS_LOAD_SETUP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/cost_model.h"
#include "engine/model.h"
#include "engine/tensor_source.h"
#include "scheduler/scheduler.h"
#include "tools/load.h"
#include "tools/load_json.h"
#include "tools/load_record.h"
#include "tools/load_slo.h"
#include "tools/load_workload.h"

namespace plumbline {

struct LoadSetup {
  std::string model;
  std::unique_ptr<TensorSource> source;
  ModelOptions model_options;
  SchedulerOptions scheduler;  // context: of each request, no more than a cache holds
  CostShape shape;
  int cache_blocks = 0;  // of each replica
  WorkloadOptions workload;
  std::optional<Trace> trace;
  int swap_blocks = 0;                 // of host memory
  std::optional<LoadRecord> recorded;  // whose step times are repeated
  std::optional<LoadFile> real;        // whose anchors a simulation has
  LoadSlo slo;
};

// The errors of RunLoad that come before anything runs.
absl::StatusOr<LoadSetup> PrepareLoad(const LoadOptions& options);

// The workload of one repetition: another seed, hence other times, lengths and tokens, for each.
absl::StatusOr<LoadWorkload> WorkloadOf(const LoadSetup& setup, int64_t repetition);

// A record without repetitions, and with the facts of the run.
LoadRecord DescribeLoad(const LoadOptions& options, const LoadSetup& setup);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_SETUP_H_
