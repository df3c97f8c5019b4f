// `plumbline calibrate --validate`: predicted times of steps held against measured ones, over a
// grid of models, numeric types, batches and contexts.
#ifndef PLUMBLINE_TOOLS_VALIDATE_H_
#define PLUMBLINE_TOOLS_VALIDATE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cache/kv_geometry.h"
#include "engine/cost_model.h"
#include "engine/machine_profile.h"
#include "engine/step_time.h"
#include "engine/weight_dtype.h"
#include "engine/work.h"

namespace plumbline {

// What a step of the grid is.
enum class StepKind : uint8_t { kDecode, kChunk, kMixed };
absl::string_view StepKindName(StepKind kind);

// One model as it runs.
struct GridModel {
  std::string model;  // as OpenModel takes it
  WeightDtype weights = WeightDtype::kF32;
  KvDtype kv_dtype = KvDtype::kF32;
  bool quick = false;  // of the small grid too
};

struct GridPoint {
  int model = 0;  // index into the grid's models
  StepKind kind = StepKind::kDecode;
  std::vector<SpanShape> spans;
  std::string name;       // "llama-160m f32/f32 decode 4 x 1,024"
  bool held_out = false;  // took no part in any tuning of the cost model

  int64_t cache_tokens(int block_tokens) const;  // of all sequences, in whole blocks
};

struct Grid {
  std::vector<GridModel> models;
  std::vector<GridPoint> points;  // of the first model first
};

// The grid: 10M to 1.1B parameters; MHA, GQA and MQA; decode steps of 1 to 32 sequences at
// contexts of 16 to 16,384 tokens; prompt chunks at several depths; steps that mix both. `only`,
// where not empty, keeps the points whose names contain it.
Grid MakeGrid(bool quick, const std::string& only);
// Half of the points: those whose name has an FNV-1a hash with bit 32 set.
bool IsHeldOut(absl::string_view name);

// One repetition of one point.
struct ValidateSample {
  double seconds = 0;  // of a step: the mean of a few in a row
  ClassSeconds class_seconds = {};
  StepTime predicted;
  Anchors anchors;  // the mean of those before and after
};

struct ValidatedPoint {
  GridPoint point;
  std::vector<ValidateSample> samples;

  double MedianSeconds() const;
  double MedianPredicted() const;
  // The median over the repetitions of predicted / measured - 1.
  double Error() const;
};

struct LeftOut {
  std::string name;
  std::string reason;
};

struct ValidateRun {
  MachineProfile profile;
  Grid grid;
  std::vector<ValidatedPoint> points;  // those that were measured
  std::vector<LeftOut> left_out;
  double seconds = 0;
  bool interrupted = false;
};

struct ValidateOptions {
  int threads = 1;
  bool quick = false;
  std::string only;
  double most_seconds = 1200;  // no new model is begun after it
};

// Median and 90th percentile of the points' absolute errors.
struct ErrorSummary {
  int64_t points = 0;
  double median = 0;
  double p90 = 0;
};
// Over the points that `keep` returns true for.
ErrorSummary SummarizeErrors(const ValidateRun& run,
                             const std::function<bool(const ValidatedPoint&)>& keep);

// Runs the grid on this machine. `progress` gets the fraction done and the name of the model at
// hand, and ends the run where it returns false: what was measured is returned, interrupted set.
// Points that memory has no room for are left out, and listed. Errors of loading a model.
using ValidateProgress = std::function<bool(double fraction, const std::string& what)>;
absl::StatusOr<ValidateRun> RunValidation(const ValidateOptions& options,
                                          const MachineProfile& profile,
                                          const ValidateProgress& progress);

// A table at 80 columns by model and kind, and over both halves; one line of JSON.
std::string ValidateReport(const ValidateRun& run);
std::string ValidateJson(const ValidateRun& run);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_VALIDATE_H_
