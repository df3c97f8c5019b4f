// Runs the scale study's points on the engine.
#ifndef PLUMBLINE_TOOLS_SCALE_ENGINE_H_
#define PLUMBLINE_TOOLS_SCALE_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/machine_profile.h"
#include "engine/tensor_source.h"
#include "tools/scale_run.h"
#include "tools/scale_sweeps.h"
#include "tools/step_rig.h"

namespace plumbline {

struct ScaleEngineOptions {
  int threads = 1;
  WeightDtype weights = WeightDtype::kF32;
  KvDtype kv_dtype = KvDtype::kF32;
  uint64_t seed = 1;  // of the cache's values and the tokens
  // Asked between the steps of a repetition; true ends it with Cancelled. May be empty.
  std::function<bool()> cancelled;
  // Taken once per round of repetitions. May be empty: samples then have no anchors.
  std::function<Anchors()> measure_anchors;
  // What times are predicted from, at the anchors of the round. None: nothing is predicted.
  std::optional<MachineProfile> profile;
};

// The points, of those with these indices, whose cache fits `free_bytes` beside the weights; 0 free
// bytes: not known, all do. The others get a sentence each in `left_out`.
std::vector<int64_t> PointsThatFit(const ModelConfig& config, const ScaleEngineOptions& options,
                                   int64_t free_bytes, const std::vector<ScalePoint>& points,
                                   const std::vector<int64_t>& indices,
                                   std::vector<std::string>& left_out);

// One model with its cache. One thread at a time.
class ScaleEngine final : public PointRunner {
 public:
  // Loads the model, with steps, spans and a cache as large as the largest of these points.
  // Errors of StepRig::Create. REQUIRES: at least one point, all of one shape.
  static absl::StatusOr<std::unique_ptr<ScaleEngine>> Load(const TensorSource& source,
                                                           const std::vector<ScalePoint>& points,
                                                           const ScaleEngineOptions& options);

  // Errors of StepRig::Run; Cancelled as the options say.
  absl::StatusOr<ScaleSample> Run(const ScalePoint& point) override;
  Anchors MeasureAnchors() override;

  const Model& model() const { return rig_->model(); }

 private:
  ScaleEngine(std::unique_ptr<StepRig> rig, ScaleEngineOptions options);
  absl::StatusOr<ScaleSample> RunSteps(const ScalePoint& point);

  std::unique_ptr<StepRig> rig_;
  const ScaleEngineOptions options_;
  std::optional<MachineProfile> profile_;  // at the anchors of the round
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_ENGINE_H_
