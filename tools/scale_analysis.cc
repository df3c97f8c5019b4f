#include "tools/scale_analysis.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tools/resampling.h"
#include "tools/scale_parts.h"
#include "tools/scale_view.h"

namespace plumbline {
namespace {

constexpr int kMostRepetitionsDrawn = 1 << 20;

// A sweep whose points run on variants of a model.
bool RunsOnVariants(ScaleSweep sweep) {
  return sweep == ScaleSweep::kLayers || sweep == ScaleSweep::kHeads ||
         sweep == ScaleSweep::kKvHeads;
}

std::string Family(const std::string& model) { return model.substr(0, model.find(',')); }

// For each point the model that it is reported with.
std::vector<std::string> ModelsOf(const std::vector<ScalePoint>& points) {
  std::map<std::string, std::string> last_base;  // by family
  std::vector<std::string> models;
  for (const ScalePoint& point : points) {
    const std::string family = Family(point.model);
    if (!RunsOnVariants(point.sweep)) last_base[family] = point.model;
    const auto base = last_base.find(family);
    models.push_back(base == last_base.end() ? family : base->second);
  }
  return models;
}

absl::Status CheckData(const ScaleData& data) {
  for (const ScalePoint& point : data.points) {
    if (point.tokens > 0) continue;
    return absl::InvalidArgumentError(absl::StrCat("a point of ", ScaleSweepName(point.sweep),
                                                   " has ", point.tokens,
                                                   " tokens: every point needs at least one"));
  }
  std::set<std::pair<int64_t, int>> seen;
  const auto points = static_cast<int64_t>(data.points.size());
  for (const ScaleSample& sample : data.samples) {
    if (sample.point < 0 || sample.point >= points) {
      return absl::InvalidArgumentError(
          absl::StrCat("a sample is of point ", sample.point, ", and there are ", points));
    }
    if (sample.repetition < 0 || sample.repetition >= kMostRepetitionsDrawn) {
      return absl::InvalidArgumentError(absl::StrCat("a sample is of repetition ",
                                                     sample.repetition, ": they count from 0 to ",
                                                     kMostRepetitionsDrawn - 1));
    }
    if (!seen.emplace(sample.point, sample.repetition).second) {
      return absl::InvalidArgumentError(absl::StrCat("point ", sample.point,
                                                     " has two samples of repetition ",
                                                     sample.repetition, ": one is needed"));
    }
  }
  return absl::OkStatus();
}

// The points of `model` that have samples, these in the order of repetitions.
std::vector<ViewedPoint> PointsOf(const ScaleData& data, const std::vector<std::string>& models,
                                  const std::string& model) {
  std::vector<ViewedPoint> viewed(data.points.size());
  for (size_t i = 0; i < viewed.size(); ++i) viewed[i].point = &data.points[i];
  for (const ScaleSample& sample : data.samples) viewed[sample.point].samples.push_back(&sample);
  std::vector<ViewedPoint> points;
  for (size_t i = 0; i < viewed.size(); ++i) {
    if (models[i] != model || viewed[i].samples.empty()) continue;
    std::sort(viewed[i].samples.begin(), viewed[i].samples.end(),
              [](const auto* a, const auto* b) { return a->repetition < b->repetition; });
    points.push_back(std::move(viewed[i]));
  }
  return points;
}

// The model's own shape: that of its main sweeps, which variants, other blocks and single layers do
// not have; else of what there is.
CostShape ShapeOf(const ScaleView& view, const std::string& model) {
  const CostShape* shape = &view.points().front().point->shape;
  for (const ViewedPoint& viewed : view.points()) {
    const ScalePoint& point = *viewed.point;
    if (point.model != model) continue;
    if (point.sweep == ScaleSweep::kPrefill || point.sweep == ScaleSweep::kDecode) {
      return point.shape;
    }
    shape = &point.shape;
  }
  return *shape;
}

ScaleModelFindings FindingsOf(const ScaleView& view, const std::string& model,
                              int64_t free_memory_bytes) {
  ScaleModelFindings findings;
  findings.model = model;
  findings.shape = ShapeOf(view, model);
  FindHost(view, free_memory_bytes, &findings);
  FindGrowth(view, &findings);
  FindCrossings(view, &findings);
  FindShares(view, &findings);
  FindVariants(view, &findings);
  FindContrasts(view, &findings);
  FindChecks(view, &findings);
  JudgeLengthClaims(view, &findings);
  JudgeSweepClaims(view, &findings);
  return findings;
}

}  // namespace

absl::StatusOr<ScaleFindings> AnalyseScale(const ScaleData& data,
                                           const ScaleAnalysisOptions& options) {
  if (const absl::Status valid = CheckData(data); !valid.ok()) return valid;
  BootstrapOptions bootstrap;
  bootstrap.seed = options.seed;
  bootstrap.resamples = options.resamples;
  bootstrap.block = options.block;
  if (const absl::Status valid = CheckOptions(bootstrap); !valid.ok()) return valid;
  ScaleFindings findings;
  findings.seed = options.seed;
  const std::vector<std::string> models = ModelsOf(data.points);
  std::set<std::string> done;
  for (const std::string& model : models) {
    if (!done.insert(model).second) continue;
    std::vector<ViewedPoint> points = PointsOf(data, models, model);
    if (points.empty()) continue;
    const ScaleView view(std::move(points), bootstrap);
    findings.models.push_back(FindingsOf(view, model, options.free_memory_bytes));
  }
  return findings;
}

}  // namespace plumbline
