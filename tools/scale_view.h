// The samples of one model by point and repetition, and statistics over them: what the parts of
// the analysis share.
#ifndef PLUMBLINE_TOOLS_SCALE_VIEW_H_
#define PLUMBLINE_TOOLS_SCALE_VIEW_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/types/span.h"
#include "tools/curve_fit.h"
#include "tools/scale_samples.h"
#include "tools/stats.h"

namespace plumbline {

// A figure of a sample.
using SampleFigure = std::function<double(const ScaleSample&)>;
double SecondsOfSample(const ScaleSample& sample);
// Seconds of scores, softmax and weighted values together.
double AttentionSeconds(const ScaleSample& sample);
SampleFigure SecondsOfClass(WorkClass work_class);
// Useful products of scores and weighted values.
double CoreMacs(const ScaleSample& sample);

// One point, and its samples in the order of their repetitions.
struct ViewedPoint {
  const ScalePoint* point = nullptr;
  std::vector<const ScaleSample*> samples;

  // The figure of each sample.
  std::vector<double> Figures(const SampleFigure& figure) const;
};

// A curve measured again and again: for each x the values of its repetitions.
struct RepeatedCurve {
  std::vector<double> x;
  std::vector<std::vector<double>> y;  // [x][repetition]

  int64_t rounds() const;         // repetitions of the x that has most
  int64_t fewest_rounds() const;  // and least
  // Medians over the repetitions that `rounds` stand for. An x with fewer repetitions than rounds()
  // uses as many rounds as it has, each the one at the same share of its own.
  std::vector<CurvePoint> Medians(absl::Span<const int64_t> rounds) const;
  std::vector<CurvePoint> Medians() const;
};

// The medians of several curves, by curve: what a bootstrap draws.
using CurveMedians = std::vector<std::vector<CurvePoint>>;

// Reads from data that must outlive it.
class ScaleView {
 public:
  // `points`: those of one model, each with at least one sample.
  ScaleView(std::vector<ViewedPoint> points, const BootstrapOptions& bootstrap)
      : points_(std::move(points)), bootstrap_(bootstrap) {}

  const std::vector<ViewedPoint>& points() const { return points_; }
  const BootstrapOptions& bootstrap() const { return bootstrap_; }

  // The points of a sweep in the order of (tokens, streams, chunk).
  std::vector<const ViewedPoint*> Sweep(ScaleSweep sweep) const;
  // A figure over the lengths of a sweep of single sequences.
  RepeatedCurve Curve(ScaleSweep sweep, const SampleFigure& figure) const;
  // Tokens made by recomputing the whole context, and the steps with a cache that they stand
  // beside: those of the same sweep, measured in between; where it has none, the decode sweep's.
  std::vector<const ViewedPoint*> Recomputed() const;
  std::vector<const ViewedPoint*> Cached() const;

  // Figures of curves drawn together, with intervals. All unknown where the curves are empty.
  // `statistic` is given the medians of each curve.
  using CurveStatistic =
      std::function<std::vector<double>(const std::vector<std::vector<CurvePoint>>& medians)>;
  std::vector<Estimate> Estimates(const std::vector<RepeatedCurve>& curves,
                                  const CurveStatistic& statistic, size_t count) const;
  // Median of one figure, and of the ratio of two points' figures in the same repetition. Unknown
  // where there is none.
  Estimate MedianOf(const ViewedPoint& point, const SampleFigure& figure) const;
  Estimate RatioOf(const ViewedPoint& above, const ViewedPoint& below,
                   const SampleFigure& figure) const;

 private:
  std::vector<ViewedPoint> points_;
  BootstrapOptions bootstrap_;
};

// A figure over the points' lengths; points of several sequences are left out.
RepeatedCurve CurveOf(const std::vector<const ViewedPoint*>& points, const SampleFigure& figure);

// The median over a point's samples of a count, which repetitions share. NaN where there is none.
double CountOf(const ViewedPoint& point, const SampleFigure& count);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_VIEW_H_
