// Passes that are measured against each other: A B A B within one run, so that what the machine
// does meanwhile falls on all alike.
#ifndef PLUMBLINE_TOOLS_SCALE_PASSES_H_
#define PLUMBLINE_TOOLS_SCALE_PASSES_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cache/kv_geometry.h"
#include "engine/weight_dtype.h"
#include "tools/scale_samples.h"

namespace plumbline {

struct CounterOptions {
  std::string model;  // as OpenModel takes it
  WeightDtype weights = WeightDtype::kF32;
  KvDtype kv_dtype = KvDtype::kF32;
  int threads = 1;
  int block_tokens = 16;
  int repetitions = 5;  // at least 1; one more of each pass runs first, unrecorded
  uint64_t seed = 1;
  // What ScaleSample::start_seconds counts from.
  std::chrono::steady_clock::time_point study_start = std::chrono::steady_clock::now();
  std::function<bool()> keep_going;  // asked before every pass; empty: always true
};

// One of the things compared. `run` prepares what it needs, times itself, and fills all of the
// sample but for point, repetition, start and anchors, of which there are none.
struct CounterPass {
  ScalePoint point;
  std::function<absl::StatusOr<ScaleSample>()> run;
};

// Appends the points, then the samples of all repetitions in turn. Cancelled where keep_going says
// so, errors of the passes as they are: what was measured before stays in `*data`.
// REQUIRES: repetitions >= 1.
absl::Status RunPasses(const CounterOptions& options, const std::vector<CounterPass>& passes,
                       ScaleData* data);

// Seconds that fn() takes.
template <class Fn>
double TimeSeconds(const Fn& fn) {
  const auto start = std::chrono::steady_clock::now();
  fn();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_PASSES_H_
