// `plumbline load`: many synthetic requests on the engine, or on a simulation of it, and where the
// time goes.
#ifndef PLUMBLINE_TOOLS_LOAD_H_
#define PLUMBLINE_TOOLS_LOAD_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "tools/load_files.h"
#include "tools/preempt_options.h"

namespace plumbline {

struct LoadOptions {
  std::string model;  // empty: the toy model
  // The workload, as load_arrivals.h, load_lengths.h and load_workload.h have it.
  std::string arrivals = "closed:8";
  std::string prompt = "lognormal:64,32";
  std::string output = "lognormal:32,16";
  std::string turns = "1";
  int64_t requests = 0;
  double seconds = std::numeric_limits<double>::infinity();
  double time_scale = 1;
  double think_seconds = 0;
  bool think_varies = false;
  int64_t prefix_groups = 0;
  int64_t prefix_tokens = 256;
  uint64_t seed = 1;
  std::optional<uint64_t> salt;  // none: drawn anew for every run
  // The engine and the scheduler.
  int threads = 0;                // 0: all cores this process may use
  std::string weights = "auto";   // auto, f32, bf16, int8 or q4
  std::string kv_dtype = "auto";  // auto, f32, f16, bf16 or int8
  int block_tokens = 16;
  int chunk_tokens = 512;  // token budget of a step
  int max_running = 64;
  std::string order = "first-come";  // QueueOrderName
  int64_t priority_levels = 1;       // requests' priorities take turns from 0
  double ageing = 10;                // seconds of waiting that make up for a level
  int64_t most_queued = 0;           // requests that may wait for their start; 0: no limit
  int64_t most_queued_tokens = 0;    // of their prompts; 0: no limit
  double deadline_seconds = 0;       // of each request, from its intended send; 0: none
  double itl_target_seconds = 0;     // of a step beside which streams wait; 0: none
  bool prefix_sharing = true;
  PreemptOptions preempt;
  std::optional<int64_t> cache_mib;     // of each replica; at most one of the two. Neither: what
  std::optional<int64_t> cache_blocks;  // max_running of the longest requests need, as far as half
                                        // of the free memory goes
  // Goals and the search for the highest rate that keeps them.
  std::string slo;
  bool find_max_rate = false;
  double target_share = 0.99;  // of requests that must keep them
  // Measuring.
  int repetitions = 1;
  std::optional<double> warm_up_seconds;  // none: until stable (FindWarmUp)
  bool predict = true;  // false: no profile is looked for, and no anchors are measured
  std::string machine;  // profile; empty: the default one
  // Simulation.
  bool simulate = false;
  int64_t replicas = 1;
  std::string route = "round-robin";  // or least-loaded
  std::string replay;                 // file of a run whose step times are repeated; empty: none
  std::string anchors_of;             // file of a run whose anchors scale the profile; empty: none
  // Output.
  bool json = false;
  LoadFileOptions files;
  std::string from;  // file of a run that is reported again, instead of one that runs; empty: none
};

// Runs the load (or reads a saved run), writes the files, and prints the report (or JSON) to `out`,
// also where a file cannot be written. Of a saved run only `slo` (empty: its own goals) and the
// output's options count. Cancelled after Ctrl-C, once what is in flight has drained and all of
// that was done for what there is; DataLoss where `out` cannot be written; InvalidArgument,
// NotFound, ResourceExhausted and the like, before anything runs, for what the options name; errors
// of the engine and of the files.
absl::Status RunLoad(const LoadOptions& options, std::ostream& out);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_H_
