#include "tools/scale_view.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace plumbline {

double SecondsOfSample(const ScaleSample& sample) { return sample.seconds; }

double AttentionSeconds(const ScaleSample& sample) {
  double seconds = 0;
  for (const WorkClass part :
       {WorkClass::kScores, WorkClass::kSoftmax, WorkClass::kWeightedValues}) {
    seconds += sample.class_seconds[static_cast<size_t>(part)];
  }
  return seconds;
}

SampleFigure SecondsOfClass(WorkClass work_class) {
  return [work_class](const ScaleSample& sample) {
    return sample.class_seconds[static_cast<size_t>(work_class)];
  };
}

double CoreMacs(const ScaleSample& sample) {
  return static_cast<double>(sample.macs.useful[static_cast<size_t>(WorkClass::kScores)]) +
         static_cast<double>(sample.macs.useful[static_cast<size_t>(WorkClass::kWeightedValues)]);
}

std::vector<double> ViewedPoint::Figures(const SampleFigure& figure) const {
  std::vector<double> figures;
  figures.reserve(samples.size());
  for (const ScaleSample* sample : samples) figures.push_back(figure(*sample));
  return figures;
}

int64_t RepeatedCurve::rounds() const {
  size_t most = 0;
  for (const std::vector<double>& values : y) most = std::max(most, values.size());
  return static_cast<int64_t>(most);
}

int64_t RepeatedCurve::fewest_rounds() const {
  size_t fewest = y.empty() ? 0 : y.front().size();
  for (const std::vector<double>& values : y) fewest = std::min(fewest, values.size());
  return static_cast<int64_t>(fewest);
}

std::vector<CurvePoint> RepeatedCurve::Medians(absl::Span<const int64_t> rounds) const {
  std::vector<CurvePoint> curve;
  curve.reserve(x.size());
  const auto all = static_cast<int64_t>(rounds.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const auto own = static_cast<int64_t>(y[i].size());
    std::vector<double> drawn(y[i].size());
    for (int64_t k = 0; k < own; ++k) {
      const int64_t at = (k * all + own - 1) / own;  // rounded up: all rounds in order give all
      drawn[k] = y[i][rounds[at] * own / all];
    }
    curve.push_back({x[i], Median(drawn)});
  }
  return curve;
}

std::vector<CurvePoint> RepeatedCurve::Medians() const {
  std::vector<CurvePoint> curve;
  for (size_t i = 0; i < x.size(); ++i) curve.push_back({x[i], Median(y[i])});
  return curve;
}

std::vector<const ViewedPoint*> ScaleView::Sweep(ScaleSweep sweep) const {
  std::vector<const ViewedPoint*> found;
  for (const ViewedPoint& viewed : points_) {
    if (viewed.point->sweep == sweep) found.push_back(&viewed);
  }
  const auto order = [](const ViewedPoint* viewed) {
    const ScalePoint& point = *viewed->point;
    return std::make_tuple(point.tokens, point.streams, point.chunk);
  };
  std::stable_sort(found.begin(), found.end(),
                   [&](const ViewedPoint* a, const ViewedPoint* b) { return order(a) < order(b); });
  return found;
}

RepeatedCurve CurveOf(const std::vector<const ViewedPoint*>& points, const SampleFigure& figure) {
  RepeatedCurve curve;
  for (const ViewedPoint* viewed : points) {
    if (viewed->point->streams != 1) continue;
    curve.x.push_back(static_cast<double>(viewed->point->tokens));
    curve.y.push_back(viewed->Figures(figure));
  }
  return curve;
}

RepeatedCurve ScaleView::Curve(ScaleSweep sweep, const SampleFigure& figure) const {
  return CurveOf(Sweep(sweep), figure);
}

std::vector<const ViewedPoint*> ScaleView::Recomputed() const {
  std::vector<const ViewedPoint*> points = Sweep(ScaleSweep::kNoCache);
  points.erase(std::remove_if(points.begin(), points.end(),
                              [](const auto* viewed) { return viewed->point->chunk == 0; }),
               points.end());
  return points;
}

std::vector<const ViewedPoint*> ScaleView::Cached() const {
  std::vector<const ViewedPoint*> points = Sweep(ScaleSweep::kNoCache);
  points.erase(std::remove_if(points.begin(), points.end(),
                              [](const auto* viewed) { return viewed->point->chunk != 0; }),
               points.end());
  return points.empty() ? Sweep(ScaleSweep::kDecode) : points;
}

std::vector<Estimate> ScaleView::Estimates(const std::vector<RepeatedCurve>& curves,
                                           const CurveStatistic& statistic, size_t count) const {
  int64_t rounds = 0;
  int64_t fewest = 0;
  for (const RepeatedCurve& curve : curves) {
    if (curve.x.empty()) continue;
    rounds = std::max(rounds, curve.rounds());
    fewest = fewest == 0 ? curve.fewest_rounds() : std::min(fewest, curve.fewest_rounds());
  }
  BootstrapOptions options = bootstrap_;
  options.fewest_rounds = fewest;
  const auto estimates = BootstrapRounds(
      rounds,
      [&](absl::Span<const int64_t> draw) {
        std::vector<std::vector<CurvePoint>> medians;
        medians.reserve(curves.size());
        for (const RepeatedCurve& curve : curves) medians.push_back(curve.Medians(draw));
        return statistic(medians);
      },
      options);
  if (estimates.ok() && estimates->size() == count) return *estimates;
  return std::vector<Estimate>(count, Estimate::Unknown());
}

Estimate ScaleView::MedianOf(const ViewedPoint& point, const SampleFigure& figure) const {
  return MedianEstimate(point.Figures(figure), bootstrap_).value_or(Estimate::Unknown());
}

Estimate ScaleView::RatioOf(const ViewedPoint& above, const ViewedPoint& below,
                            const SampleFigure& figure) const {
  std::vector<double> numerator;
  std::vector<double> denominator;
  for (const ScaleSample* sample : above.samples) {
    const auto same = std::lower_bound(
        below.samples.begin(), below.samples.end(), sample->repetition,
        [](const ScaleSample* other, int repetition) { return other->repetition < repetition; });
    if (same == below.samples.end() || (*same)->repetition != sample->repetition) continue;
    numerator.push_back(figure(*sample));
    denominator.push_back(figure(**same));
  }
  return PairedRatio(numerator, denominator, bootstrap_).value_or(Estimate::Unknown());
}

double CountOf(const ViewedPoint& point, const SampleFigure& count) {
  return Median(point.Figures(count));
}

}  // namespace plumbline
