// Which points `plumbline scale` measures: pure, from options and shapes.
#ifndef PLUMBLINE_TOOLS_SCALE_SWEEPS_H_
#define PLUMBLINE_TOOLS_SCALE_SWEEPS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/model_config.h"
#include "engine/weight_dtype.h"
#include "tools/scale_samples.h"

namespace plumbline {

struct ScaleSweepOptions {
  std::vector<std::string> sweeps;  // names of ScaleSweepGroups(); empty: all
  int64_t max_prompt = 8192;        // longest prompt
  int64_t max_context = 8192;       // longest context of a decode step
  int chunk_tokens = 512;           // prompt tokens of a step, where that is not what varies
  int block_tokens = 16;            // of the cache, likewise
  int64_t max_no_cache = 1024;      // longest context of generation without a cache
  bool brief = false;               // fewer points in the sweeps beside prefill and decode
  WeightDtype weights = WeightDtype::kF32;
  KvDtype kv_dtype = KvDtype::kF32;
};

// What runs on one load of a model: points, or a counter-example, whose points come as it runs.
struct ScaleRun {
  std::string model;  // as OpenModel takes it
  int block_tokens = 16;
  std::vector<ScalePoint> points;
  std::string counter;           // its group's name; empty: none
  std::vector<int64_t> lengths;  // of the counter-example: prompts, or contexts
  double counter_cost = 0;       // of the counter-example's passes, as PointCost
};

struct ScalePlan {
  std::vector<ScaleRun> runs;         // in the order they are measured
  std::vector<std::string> left_out;  // a sentence for each sweep or point that cannot run, and why
};

// "prefill", "decode", "batch", ..., "attention" (stored full, stored causal and tiled), ...: the
// names that choose sweeps, in the order that they run.
const std::vector<std::string>& ScaleSweepGroups();

// `name` with key=value in it, in the place of the key where it was given before.
// REQUIRES: IsSyntheticName(name).
std::string WithKey(absl::string_view name, absl::string_view key, int64_t value);

// Lengths that double, from 128 or from so little that five of them reach `max`; the last one is
// `max` itself, and no doubling comes within a quarter below it. REQUIRES: max > 0.
std::vector<int64_t> DoublingLengths(int64_t max);

// The points of one model of this shape. Sweeps over layers, heads and KV heads need variants and
// run for synthetic models only; what is left out is listed. InvalidArgument for a group that there
// is none of (the known ones are listed).
absl::StatusOr<ScalePlan> PlanScale(const ScaleSweepOptions& options, const std::string& model,
                                    const ModelConfig& config);

// The steps of one repetition of a point that is no counter-example: a whole prefill, chunk by
// chunk, or one decode step.
std::vector<std::vector<SpanShape>> PointSteps(const ScalePoint& point);
// Cache tokens of the point's sequences together, each rounded up to whole blocks.
int64_t PointCacheTokens(const ScalePoint& point);
// Roughly the time of one repetition, in products: tells which point is the cheapest and how a time
// budget is shared out, and nothing else.
double PointCost(const ScalePoint& point);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_SWEEPS_H_
