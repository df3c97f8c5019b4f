#include "tools/scale_measure.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/machine.h"
#include "spdlog/spdlog.h"
#include "tools/scale_counters.h"

namespace plumbline {
namespace {

constexpr double kEqualShare = 0.5;  // of the time, shared out equally: loading costs time too
constexpr double kSaveSeconds = 10;  // between files, while one model is measured

// What an earlier sitting measured of a counter-example that it
// did not finish is measured anew.
void DropUnsettled(ScaleStudy& study) {
  const int64_t settled = study.settled_points;
  std::erase_if(study.data.samples,
                [settled](const ScaleSample& sample) { return sample.point >= settled; });
  study.data.points.resize(static_cast<size_t>(settled));
}

class Measurer {
 public:
  Measurer(const ScaleMeasureOptions& options, const ScalePlan& plan, const Clock& clock,
           const ScaleMeasureHooks& hooks, ScaleStudy& study)
      : options_(options),
        plan_(plan),
        clock_(clock, study.elapsed_seconds),
        hooks_(hooks),
        study_(study),
        weights_(RunWeights(plan)),
        saved_seconds_(clock_.NowSeconds()) {}

  absl::Status Run() {
    DropUnsettled(study_);
    int64_t first_point = 0;
    for (size_t i = 0; i < plan_.runs.size(); ++i) {
      const ScaleRun& run = plan_.runs[i];
      std::vector<int64_t> indices(run.points.size());
      std::iota(indices.begin(), indices.end(), first_point);
      first_point += static_cast<int64_t>(indices.size());
      if (IsFinished(i)) continue;
      current_ = i;
      absl::Status status = MeasureRun(run, std::move(indices));
      study_.elapsed_seconds = clock_.NowSeconds();
      if (!status.ok()) return status;
      study_.finished_runs.push_back(static_cast<int64_t>(i));
      study_.settled_points = static_cast<int64_t>(study_.data.points.size());
      if (status = Save(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  bool IsFinished(size_t run) const {
    const auto& finished = study_.finished_runs;
    return std::find(finished.begin(), finished.end(), static_cast<int64_t>(run)) != finished.end();
  }

  // When the current run must end.
  double Until() const {
    double rest = 0;
    for (size_t i = current_; i < weights_.size(); ++i) {
      if (!IsFinished(i)) rest += weights_[i];
    }
    const double now = clock_.NowSeconds();
    return now + (options_.budget_seconds - now) * weights_[current_] / rest;
  }

  void Tell(double part_of_run) const {
    if (!hooks_.progress) return;
    double done = weights_[current_] * part_of_run;
    for (size_t i = 0; i < weights_.size(); ++i) {
      if (IsFinished(i)) done += weights_[i];
    }
    hooks_.progress(plan_.runs[current_].model, done);
  }

  absl::Status Save() {
    saved_seconds_ = clock_.NowSeconds();
    study_.elapsed_seconds = saved_seconds_;
    return hooks_.save ? hooks_.save() : absl::OkStatus();
  }

  absl::Status MeasureRun(const ScaleRun& run, std::vector<int64_t> indices) {
    Tell(0);
    const double until = Until();
    if (hooks_.cancelled && hooks_.cancelled()) return absl::CancelledError("interrupted");
    if (until <= clock_.NowSeconds()) {
      study_.left_out.push_back(
          absl::StrCat(run.counter.empty() ? ScaleSweepName(run.points.front().sweep) : run.counter,
                       " of ", run.model, ": ", kNoTimeLeft));
      return absl::OkStatus();
    }
    return run.counter.empty() ? MeasurePointsOf(run, std::move(indices), until)
                               : MeasureCounter(run, until);
  }

  absl::Status MeasurePointsOf(const ScaleRun& run, std::vector<int64_t> indices, double until) {
    const auto source = OpenModel(run.model);
    if (!source.ok()) return source.status();
    indices = PointsThatFit((*source)->config(), options_.engine, DetectMachine().free_memory_bytes,
                            study_.data.points, indices, study_.left_out);
    if (indices.empty()) return absl::OkStatus();
    std::vector<ScalePoint> points;
    points.reserve(indices.size());
    for (const int64_t index : indices) {
      points.push_back(study_.data.points[static_cast<size_t>(index)]);
    }
    const auto engine = ScaleEngine::Load(**source, points, options_.engine);
    if (!engine.ok()) return engine.status();
    study_.same_bits_exception = (*engine)->model().same_bits_exception();
    spdlog::debug("measuring {} points of {}", points.size(), run.model);
    const ScaleLoopOptions loop{options_.stop, options_.most_repetitions, until, options_.seed};
    ScaleLoopHooks hooks;
    hooks.cancelled = hooks_.cancelled;
    hooks.progress = [this](double part) { Tell(part); };
    hooks.after_round = [this] {
      const bool due = clock_.NowSeconds() >= saved_seconds_ + kSaveSeconds;
      return due ? Save() : absl::OkStatus();
    };
    return MeasurePoints(loop, indices, **engine, clock_, hooks, study_.data, study_.left_out);
  }

  absl::Status MeasureCounter(const ScaleRun& run, double until) {
    const double begin = clock_.NowSeconds();
    bool time_is_up = false;
    CounterOptions counter;
    counter.model = run.model;
    counter.weights = options_.engine.weights;
    counter.kv_dtype = options_.engine.kv_dtype;
    counter.threads = options_.engine.threads;
    counter.block_tokens = run.block_tokens;
    counter.repetitions = options_.counter_repetitions;
    counter.seed = options_.seed;
    counter.study_start = std::chrono::steady_clock::now() -
                          std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                              std::chrono::duration<double>(begin));
    counter.keep_going = [&] {
      const double now = clock_.NowSeconds();
      Tell(std::clamp((now - begin) / (until - begin), 0.0, 1.0));
      time_is_up = now > until;
      return !time_is_up && !(hooks_.cancelled && hooks_.cancelled());
    };
    absl::Status status =
        RunCounterExample(run, options_.chunk_tokens, counter, study_.data, study_.left_out);
    if (absl::IsCancelled(status) && time_is_up) {
      study_.left_out.push_back(
          absl::StrCat("the rest of ", run.counter, " of ", run.model, ": ", kNoTimeLeft));
      return absl::OkStatus();
    }
    if (absl::IsResourceExhausted(status)) {
      study_.left_out.push_back(
          absl::StrCat(run.counter, " of ", run.model, ": ", status.message()));
      return absl::OkStatus();
    }
    return status;
  }

  const ScaleMeasureOptions& options_;
  const ScalePlan& plan_;
  const OffsetClock clock_;
  const ScaleMeasureHooks& hooks_;
  ScaleStudy& study_;
  const std::vector<double> weights_;
  double saved_seconds_;
  size_t current_ = 0;
};

}  // namespace

std::vector<double> RunWeights(const ScalePlan& plan) {
  std::vector<double> weights;
  for (const ScaleRun& run : plan.runs) {
    double cost = run.counter_cost;
    for (const ScalePoint& point : run.points) cost += PointCost(point);
    weights.push_back(cost);
  }
  const double all = std::max(1.0, std::accumulate(weights.begin(), weights.end(), 0.0));
  for (double& weight : weights) {
    weight = kEqualShare / static_cast<double>(weights.size()) + (1 - kEqualShare) * weight / all;
  }
  return weights;
}

absl::Status MeasureStudy(const ScaleMeasureOptions& options, const ScalePlan& plan,
                          const Clock& clock, const ScaleMeasureHooks& hooks, ScaleStudy& study) {
  return Measurer(options, plan, clock, hooks, study).Run();
}

}  // namespace plumbline
