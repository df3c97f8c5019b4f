#include "tools/validate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/limit_probe.h"
#include "engine/machine.h"
#include "engine/quantile.h"
#include "engine/step_clock.h"
#include "engine/tensor_source.h"
#include "engine/weights.h"
#include "tools/step_rig.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr int kGridBlockTokens = 16;
constexpr int kRepetitions = 5;
// Steps of one sample: as many as take this long, after some that are not counted, since the first
// ones find the caches as the anchors left them.
constexpr double kSampleSeconds = 0.03;
constexpr int kMostSteps = 100;
// A sample that takes longer than this is not repeated kRepetitions times.
constexpr double kLongSeconds = 1.0;
constexpr int kLongRepetitions = 2;
constexpr int kMostStepTokens = 512;

// Measures the points of one model.
class ModelRunner {
 public:
  ModelRunner(const ValidateOptions& options, AnchorProbe& anchors,
              std::function<bool(double)> progress, ValidateRun* run)
      : options_(options), anchors_(anchors), progress_(std::move(progress)), run_(*run) {}

  absl::Status Run(int model_index);

 private:
  // Takes out the points that there is no room for; the cache tokens that the others need.
  int64_t ChoosePoints(const ModelConfig& config, const GridModel& model, int model_index);
  absl::Status Repeat(StepRig& rig, ValidatedPoint& point);

  const ValidateOptions& options_;
  AnchorProbe& anchors_;
  const std::function<bool(double)> progress_;
  ValidateRun& run_;
  std::vector<ValidatedPoint> points_;
  Anchors last_anchors_;
};

int64_t ModelRunner::ChoosePoints(const ModelConfig& config, const GridModel& model,
                                  int model_index) {
  const Machine machine = DetectMachine();
  const KvGeometry geometry = config.CacheGeometry(model.kv_dtype, kGridBlockTokens);
  // The synthetic source may hold the weights once more while they are packed, and the step's
  // scratch takes something: a tenth is kept free. Where nothing is known, all points are tried.
  const int64_t weights = WeightBytesNeeded(config, model.weights);
  const int64_t room = machine.free_memory_bytes == 0
                           ? std::numeric_limits<int64_t>::max()
                           : machine.free_memory_bytes / 10 * 9 - 2 * weights;
  int64_t most = 0;
  for (const GridPoint& point : run_.grid.points) {
    if (point.model != model_index) continue;
    const int64_t tokens = point.cache_tokens(kGridBlockTokens);
    const int64_t bytes = geometry.TokenBytes() * tokens;
    if (bytes > room) {
      run_.left_out.push_back(
          {point.name,
           absl::StrCat("its cache takes ", FormatSi(static_cast<double>(bytes)),
                        "B, and there is room for ",
                        FormatSi(static_cast<double>(std::max<int64_t>(room, 0))), "B")});
      continue;
    }
    most = std::max(most, tokens);
    points_.push_back({point, {}});
  }
  return most;
}

Anchors Mean(const Anchors& a, const Anchors& b) {
  return {(a.matmul_flops_per_second + b.matmul_flops_per_second) / 2,
          (a.read_bytes_per_second + b.read_bytes_per_second) / 2};
}

absl::Status ModelRunner::Repeat(StepRig& rig, ValidatedPoint& point) {
  ValidateSample sample;
  double warm_up = 0;
  int steps = 0;
  while (steps < kMostSteps && sample.seconds < kSampleSeconds) {
    const absl::StatusOr<StepSample> step = rig.Run(point.point.spans);
    if (!step.ok()) return step.status();
    if (warm_up < kStepWarmUpSeconds && step->seconds < kLongSeconds) {
      warm_up += step->seconds;
      continue;
    }
    ++steps;
    sample.seconds += step->seconds;
    for (size_t c = 0; c < kNumWorkClasses; ++c) {
      sample.class_seconds[c] += step->work.seconds[c];
    }
  }
  sample.seconds /= steps;
  for (double& seconds : sample.class_seconds) seconds /= steps;
  const Anchors after = anchors_.Measure();
  sample.anchors = Mean(last_anchors_, after);
  last_anchors_ = after;
  sample.predicted =
      PredictStep(AtAnchors(run_.profile, sample.anchors), rig.shape(), point.point.spans);
  point.samples.push_back(sample);
  return absl::OkStatus();
}

absl::Status ModelRunner::Run(int model_index) {
  const GridModel& model = run_.grid.models[model_index];
  const auto source = OpenModel(model.model);
  if (!source.ok()) return source.status();
  const int64_t tokens = ChoosePoints((*source)->config(), model, model_index);
  if (points_.empty()) return absl::OkStatus();
  StepRigOptions rig_options;
  rig_options.model.weights = model.weights;
  rig_options.model.kv_dtype = model.kv_dtype;
  rig_options.model.block_tokens = kGridBlockTokens;
  rig_options.model.threads = options_.threads;
  rig_options.model.max_step_tokens = kMostStepTokens;
  rig_options.cache_tokens = tokens;
  const auto rig = StepRig::Create(**source, rig_options);
  if (!rig.ok()) return rig.status();
  last_anchors_ = anchors_.Measure();
  absl::Status status;
  const auto total = static_cast<double>(points_.size() * kRepetitions);
  double done = 0;
  bool go_on = true;
  for (int i = 0; i < kRepetitions && go_on; ++i) {
    for (ValidatedPoint& point : points_) {
      ++done;
      const bool is_long = !point.samples.empty() && point.samples[0].seconds > kLongSeconds;
      if (is_long && i >= kLongRepetitions) continue;
      status = Repeat(**rig, point);
      go_on = status.ok() && progress_(done / total);
      if (!go_on) break;
    }
  }
  for (ValidatedPoint& point : points_) {
    if (!point.samples.empty()) run_.points.push_back(std::move(point));
  }
  run_.interrupted = status.ok() && !go_on;
  return status;
}

}  // namespace

double ValidatedPoint::MedianSeconds() const {
  std::vector<double> values;
  for (const ValidateSample& sample : samples) values.push_back(sample.seconds);
  return Quantile(values, 0.5);
}

double ValidatedPoint::MedianPredicted() const {
  std::vector<double> values;
  for (const ValidateSample& sample : samples) values.push_back(sample.predicted.seconds());
  return Quantile(values, 0.5);
}

double ValidatedPoint::Error() const {
  std::vector<double> errors;
  for (const ValidateSample& sample : samples) {
    errors.push_back(sample.predicted.seconds() / sample.seconds - 1);
  }
  return Quantile(errors, 0.5);
}

ErrorSummary SummarizeErrors(const ValidateRun& run,
                             const std::function<bool(const ValidatedPoint&)>& keep) {
  std::vector<double> errors;
  for (const ValidatedPoint& point : run.points) {
    if (keep(point)) errors.push_back(std::fabs(point.Error()));
  }
  if (errors.empty()) return {};
  return {static_cast<int64_t>(errors.size()), Quantile(errors, 0.5), Quantile(errors, 0.9)};
}

absl::StatusOr<ValidateRun> RunValidation(const ValidateOptions& options,
                                          const MachineProfile& profile,
                                          const ValidateProgress& progress) {
  ValidateRun run;
  run.profile = profile;
  run.grid = MakeGrid(options.quick, options.only);
  const double start = SteadySeconds();
  const auto anchors = AnchorProbe::Create(options.threads);
  if (!anchors.ok()) return anchors.status();
  const auto models = static_cast<double>(run.grid.models.size());
  for (size_t i = 0; i < run.grid.models.size() && !run.interrupted; ++i) {
    const std::string& name = run.grid.models[i].model;
    if (SteadySeconds() - start > options.most_seconds) {
      run.left_out.push_back({name, "the time was over"});
      continue;
    }
    const auto report = [&](double part) {
      return progress((static_cast<double>(i) + part) / models, name);
    };
    if (!report(0)) {
      run.interrupted = true;
      break;
    }
    ModelRunner runner(options, **anchors, report, &run);
    absl::Status status = runner.Run(static_cast<int>(i));
    if (absl::IsFailedPrecondition(status)) {  // no bf16 here
      run.left_out.push_back({name, std::string(status.message())});
    } else if (!status.ok()) {
      return status;
    }
  }
  run.seconds = SteadySeconds() - start;
  return run;
}

}  // namespace plumbline
