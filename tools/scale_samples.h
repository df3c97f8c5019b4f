// What `plumbline scale` measures: points of its sweeps, and one sample for each time a point ran.
// Raw; everything that is reported is derived from these (scale_analysis.h).
#ifndef PLUMBLINE_TOOLS_SCALE_SAMPLES_H_
#define PLUMBLINE_TOOLS_SCALE_SAMPLES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/cost_model.h"
#include "engine/machine_profile.h"
#include "engine/work.h"

namespace plumbline {

// What a sweep varies, or the counter-example that it measures.
enum class ScaleSweep : uint8_t {
  kPrefill,         // prompt length
  kDecode,          // context of one decode step
  kBatch,           // decode streams of one step
  kLayers,          // layers at fixed width
  kHeads,           // heads at fixed width
  kKvHeads,         // MHA, GQA, MQA
  kBlock,           // tokens of a cache block
  kChunk,           // tokens of a prompt chunk; whole prompts too
  kNoCache,         // a token that recomputes its whole context, t; chunk 0: one that need not
  kStoredFull,      // attention with stored scores, full square
  kStoredCausal,    // attention with stored scores, causal half
  kTiled,           // the same attention by tiles: nothing stored
  kFusedSoftmax,    // scale + mask + softmax in one pass over the scores
  kUnfusedSoftmax,  // the same in three
  kFusedFfn,        // bias + activation in one pass
  kUnfusedFfn,      // the same in two
  kPaged,           // decode from shuffled blocks
  kContiguous,      // decode from one block as long as the longest sequence
};
// "prefill", "decode", "batch", "layers", "heads", "kv_heads", "block", "chunk", "no_cache",
// "stored_full", ...: the names in files.
absl::string_view ScaleSweepName(ScaleSweep sweep);
// The sweep of that name, in `*sweep`; false where there is none.
bool ParseScaleSweep(absl::string_view name, ScaleSweep* sweep);

struct ScalePoint {
  ScaleSweep sweep = ScaleSweep::kPrefill;
  std::string model;    // as OpenModel takes it
  CostShape shape;      // of that model as it runs
  int64_t tokens = 0;   // n: prompt tokens; or t: context of a decode step, the new one included
  int64_t streams = 1;  // sequences in the step
  int64_t chunk = 0;    // prompt tokens of a step; 0: a decode step
  bool filled = false;  // the context was seeded values, not computed
  // Peak of what attention stores beside the cache, and bytes of cache that were allocated: of
  // real buffers. 0: not measured.
  int64_t peak_score_bytes = 0;
  int64_t cache_bytes = 0;
  int64_t cache_used_bytes = 0;  // of cache_bytes, what the sequences' tokens take
  int64_t scratch_bytes = 0;     // of all buffers that a step uses
};

// One repetition of a point: a whole prefill (all its chunks), one decode step, or one pass of a
// counter-example.
struct ScaleSample {
  int64_t point = 0;  // index into ScaleData::points
  int repetition = 0;
  double start_seconds = 0;  // since the study began
  double seconds = 0;
  ClassSeconds class_seconds = {};
  MacCounts macs;
  MacCounts formula_macs;
  ByteCounts bytes = {};
  ByteCounts formula_bytes = {};
  int64_t softmax_pairs = 0;
  int64_t formula_softmax_pairs = 0;
  double predicted_seconds = -1;  // -1: no machine profile
  ClassSeconds predicted_class_seconds = {};
  Anchors anchors;  // taken beside this sample; zero: none
};

struct ScaleData {
  std::vector<ScalePoint> points;
  std::vector<ScaleSample> samples;  // in the order measured: repetitions are interleaved
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_SAMPLES_H_
