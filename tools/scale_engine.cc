#include "tools/scale_engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/step_time.h"
#include "engine/weights.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr int64_t kLeastStepTokens = 16;

// Tokens of the largest step of a point.
int64_t StepTokens(const ScalePoint& point) {
  return point.streams * std::max<int64_t>(1, point.chunk);
}

void AddSampledStep(const CostShape& shape, const std::vector<SpanShape>& spans,
                    const StepSample& step, ScaleSample& sample) {
  sample.seconds += step.seconds;
  sample.macs += step.work.TotalMacs();
  sample.softmax_pairs += step.work.softmax_pairs;
  for (const SpanShape& span : spans) {
    sample.formula_macs += SpanMacs(shape, span);
    sample.formula_softmax_pairs += SpanSoftmaxPairs(shape, span);
  }
  const ByteCounts formula = StepBytes(shape, spans);
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    sample.bytes[c] += step.work.bytes[c];
    sample.formula_bytes[c] += formula[c];
    sample.class_seconds[c] += step.work.seconds[c];
  }
}

void AddPrediction(const StepTime& time, ScaleSample& sample) {
  sample.predicted_seconds += time.seconds();
  const ClassSeconds classes = time.class_seconds();
  for (size_t c = 0; c < kNumWorkClasses; ++c) sample.predicted_class_seconds[c] += classes[c];
}

}  // namespace

std::vector<int64_t> PointsThatFit(const ModelConfig& config, const ScaleEngineOptions& options,
                                   int64_t free_bytes, const std::vector<ScalePoint>& points,
                                   const std::vector<int64_t>& indices,
                                   std::vector<std::string>& left_out) {
  if (free_bytes == 0) return indices;
  const int64_t weight_bytes = WeightBytesNeeded(config, options.weights);
  const int64_t left = free_bytes - weight_bytes;
  std::vector<int64_t> fitting;
  for (const int64_t index : indices) {
    const ScalePoint& point = points[static_cast<size_t>(index)];
    const int64_t tokens = PointCacheTokens(point);
    // Divided, because the product may not fit.
    if (left > 0 && tokens <= left / KvTokenBytes(point.shape)) {
      fitting.push_back(index);
      continue;
    }
    left_out.push_back(absl::StrCat(
        DescribePoint(point), ": weights of ", FormatBytes(weight_bytes), " and a cache of ",
        FormatCount(tokens), " tokens do not fit the free memory of ", FormatBytes(free_bytes)));
  }
  return fitting;
}

ScaleEngine::ScaleEngine(std::unique_ptr<StepRig> rig, ScaleEngineOptions options)
    : rig_(std::move(rig)), options_(std::move(options)), profile_(options_.profile) {}

absl::StatusOr<std::unique_ptr<ScaleEngine>> ScaleEngine::Load(
    const TensorSource& source, const std::vector<ScalePoint>& points,
    const ScaleEngineOptions& options) {
  StepRigOptions rig_options;
  rig_options.seed = options.seed;
  ModelOptions& model = rig_options.model;
  model.weights = options.weights;
  model.kv_dtype = options.kv_dtype;
  model.threads = options.threads;
  model.block_tokens = static_cast<int>(points.front().shape.block_tokens);
  int64_t step_tokens = kLeastStepTokens, spans = 1;
  for (const ScalePoint& point : points) {
    step_tokens = std::max(step_tokens, StepTokens(point));
    spans = std::max(spans, point.streams);
    rig_options.cache_tokens = std::max(rig_options.cache_tokens, PointCacheTokens(point));
  }
  model.max_step_tokens = static_cast<int>(step_tokens);
  model.max_step_spans = static_cast<int>(spans);
  model.max_logit_rows = static_cast<int>(spans);
  absl::StatusOr<std::unique_ptr<StepRig>> rig = StepRig::Create(source, rig_options);
  if (!rig.ok()) return rig.status();
  return std::unique_ptr<ScaleEngine>(new ScaleEngine(*std::move(rig), options));
}

// Points take turns: each finds the caches as another left them.
absl::StatusOr<ScaleSample> ScaleEngine::Run(const ScalePoint& point) {
  double warm_up = 0;
  absl::StatusOr<ScaleSample> sample = RunSteps(point);
  while (sample.ok() && std::max(warm_up, sample->seconds) < kStepWarmUpSeconds) {
    warm_up += sample->seconds;
    sample = RunSteps(point);
  }
  return sample;
}

absl::StatusOr<ScaleSample> ScaleEngine::RunSteps(const ScalePoint& point) {
  ScaleSample sample;
  if (profile_.has_value()) sample.predicted_seconds = 0;
  for (const std::vector<SpanShape>& spans : PointSteps(point)) {
    if (options_.cancelled && options_.cancelled()) return absl::CancelledError("interrupted");
    const absl::StatusOr<StepSample> step = rig_->Run(spans);
    if (!step.ok()) return step.status();
    AddSampledStep(rig_->shape(), spans, *step, sample);
    if (profile_.has_value()) AddPrediction(PredictStep(*profile_, rig_->shape(), spans), sample);
  }
  return sample;
}

Anchors ScaleEngine::MeasureAnchors() {
  if (!options_.measure_anchors) return {};
  const Anchors anchors = options_.measure_anchors();
  if (options_.profile.has_value()) profile_ = AtAnchors(*options_.profile, anchors);
  return anchors;
}

}  // namespace plumbline
