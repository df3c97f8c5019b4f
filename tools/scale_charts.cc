#include "tools/scale_charts.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/work.h"
#include "tools/chart_kinds.h"

namespace plumbline {
namespace {

ChartMark MarkOf(double x, const ScaleEstimate& value) {
  return {x, value.median, value.low, value.high};
}

// The fit between the least and the largest measured length, so that nothing is extrapolated.
ChartSeries FitCurve(const ScaleSeries& series, int style, bool log_x) {
  constexpr int kPieces = 96;
  ChartSeries curve = {.shape = SeriesShape::kLine, .style = style};
  if (series.samples.empty()) return curve;
  const double low = series.samples.front().tokens;
  const double high = series.samples.back().tokens;
  for (int i = 0; i <= kPieces; ++i) {
    const double share = static_cast<double>(i) / kPieces;
    const double tokens = log_x ? low * std::pow(high / low, share) : low + (high - low) * share;
    curve.marks.push_back({tokens, FitAt(series.fit, tokens)});
  }
  return curve;
}

// Each series in a style of its own: its fit as a line below its points, or lines between them.
void AddCurves(const ScaleCurves& curves, Chart& chart) {
  int style = 0;
  for (const ScaleSeries& series : curves.series) {
    ChartSeries points = {.label = series.name, .style = style};
    for (const ScaleCurveSample& sample : series.samples) {
      points.marks.push_back(MarkOf(sample.tokens, sample.value));
    }
    if (!series.fit.empty()) {
      points.shape = SeriesShape::kPoints;
      chart.series.push_back(FitCurve(series, style, chart.x.scale != AxisScale::kLinear));
    }
    chart.series.push_back(std::move(points));
    ++style;
  }
}

Chart CurvesChart(const ScaleCurves& curves, AxisScale x_scale, AxisScale y_scale,
                  const char* x_label, const char* y_label, const char* y_unit) {
  Chart chart;
  chart.x = {.label = x_label, .unit = "tokens", .scale = x_scale};
  chart.y = {.label = y_label, .unit = y_unit, .scale = y_scale};
  AddCurves(curves, chart);
  return chart;
}

// Styles in the order in which groups come up.
class GroupStyles {
 public:
  int Of(const std::string& group) {
    const auto found = std::find(groups_.begin(), groups_.end(), group);
    const auto index = found - groups_.begin();
    if (found == groups_.end()) groups_.push_back(group);
    return static_cast<int>(index);
  }

 private:
  std::vector<std::string> groups_;
};

bool Agrees(const ScalePrediction& point) {
  const double ratio = point.measured_seconds.median / point.predicted_seconds;
  return point.predicted_seconds > 0 && std::abs(ratio - 1) <= kAgreementTolerance;
}

// How far off, the same for twice and for half; those that cannot be compared are furthest.
double Distance(const ScalePrediction& point) {
  const double distance =
      std::abs(std::log(point.measured_seconds.median / point.predicted_seconds));
  return std::isnan(distance) ? std::numeric_limits<double>::infinity() : distance;
}

// The distance from which on a point is named, so that few enough are to be told apart.
double NamedFrom(const ScalePredictions& predictions) {
  constexpr size_t kMostNamed = 6;
  std::vector<double> distances;
  for (const ScalePrediction& point : predictions.points) distances.push_back(Distance(point));
  std::sort(distances.begin(), distances.end(), std::greater<>());
  return distances.size() < kMostNamed ? 0 : distances[kMostNamed - 1];
}

std::vector<PredictedSeries> Grouped(const ScalePredictions& predictions, bool with_labels) {
  const double named_from = NamedFrom(predictions);
  std::vector<PredictedSeries> grouped;
  GroupStyles styles;
  for (const ScalePrediction& point : predictions.points) {
    const auto style = static_cast<size_t>(styles.Of(point.group));
    if (style == grouped.size()) grouped.push_back({point.group, static_cast<int>(style), {}});
    ChartMark mark = MarkOf(point.predicted_seconds, point.measured_seconds);
    if (with_labels && !Agrees(point) && Distance(point) >= named_from) mark.label = point.label;
    grouped[style].marks.push_back(std::move(mark));
  }
  for (PredictedSeries& series : grouped) {
    // The label of a group stands at its last mark: the largest, which has most room.
    std::stable_sort(series.marks.begin(), series.marks.end(),
                     [](const ChartMark& a, const ChartMark& b) { return a.x < b.x; });
  }
  return grouped;
}

}  // namespace

double FitAt(const std::vector<ScaleFitTerm>& fit, double tokens) {
  double sum = 0;
  for (const ScaleFitTerm& term : fit) {
    sum += term.coefficient.median * std::pow(tokens, term.power);
  }
  return sum;
}

int64_t MissedPredictions(const ScalePredictions& predictions) {
  return std::count_if(predictions.points.begin(), predictions.points.end(),
                       [](const ScalePrediction& point) { return !Agrees(point); });
}

Chart PrefillTimeChart(const ScaleCurves& curves) {
  Chart chart = CurvesChart(curves, AxisScale::kLog2, AxisScale::kLog10, "Prompt length",
                            "Time of the prefill", "s");
  chart.title = "Prefill time against prompt length";
  chart.description =
      "Measured medians with their intervals, and fitted curves. Both axes are logarithmic.";
  return chart;
}

Chart DecodeTimeChart(const ScaleCurves& curves) {
  Chart chart =
      CurvesChart(curves, AxisScale::kLinear, AxisScale::kLinear, "Context", "Time per token", "s");
  chart.title = "Time of a decode step against context";
  chart.description =
      "Measured medians with their intervals, and fitted lines, one for each kind of heads. Both "
      "axes are linear.";
  return chart;
}

Chart MemoryChart(const ScaleCurves& curves) {
  Chart chart = CurvesChart(curves, AxisScale::kLog2, AxisScale::kLog10, "Length", "Memory", "B");
  chart.title = "Memory against length";
  chart.description =
      "Bytes of each way to hold scores and of the cache. Both axes are logarithmic.";
  return chart;
}

Chart ClassSharesChart(const ScaleShares& shares) {
  ShareParts parts;
  parts.parts = shares.classes;
  parts.amounts = shares.amounts;
  for (const int64_t tokens : shares.tokens) parts.categories.push_back(absl::StrCat(tokens));
  Chart chart = SharesChart(parts);
  chart.x.label = "Length (tokens)";
  chart.y.label = absl::StrCat("Share of ", shares.of_what);
  chart.title = absl::StrCat("Shares of ", shares.of_what, " by class of work");
  chart.description = "One bar of 100% for each length, cut into classes of work.";
  return chart;
}

Chart ScaleRooflineChart(const ScaleRoofline& roofline) {
  std::vector<RooflineWork> work;
  for (const ScaleRooflinePoint& point : roofline.points) {
    work.push_back({point.name, point.group, kFlopsPerMac * point.macs, point.bytes,
                    point.seconds.median, point.seconds.low, point.seconds.high});
  }
  RooflineLimits limits;
  limits.bytes_per_second = roofline.bytes_per_second;
  for (const ScaleCeiling& ceiling : roofline.ceilings) {
    limits.compute.push_back({ceiling.label, ceiling.flops_per_second});
  }
  Chart chart = RooflineChart(work, limits);
  chart.title = "Roofline";
  chart.description =
      "Speed of each class of work over its FLOPs per byte, below the machine's measured rates of "
      "memory and arithmetic. Both axes are logarithmic.";
  return chart;
}

Chart PredictedMeasuredChart(const ScalePredictions& predictions) {
  Chart chart = AgreementChart(Grouped(predictions, false), kAgreementTolerance, "time", "s");
  chart.title = "Measured against predicted time";
  chart.description =
      "Each point is one length or context; on the diagonal both agree, and the grey band is 10% "
      "either way. Both axes are logarithmic.";
  return chart;
}

Chart PredictedRatioChart(const ScalePredictions& predictions) {
  Chart chart = AgreementRatioChart(Grouped(predictions, true), kAgreementTolerance, "time", "s");
  chart.title = "Measured divided by predicted time";
  chart.description =
      "The same points with the diagonal laid flat; the furthest outside of the grey 10% band are "
      "named.";
  return chart;
}

}  // namespace plumbline
