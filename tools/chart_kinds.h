// Kinds of charts that more than one report shows.
#ifndef PLUMBLINE_TOOLS_CHART_KINDS_H_
#define PLUMBLINE_TOOLS_CHART_KINDS_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "tools/chart.h"

namespace plumbline {

// One bar for each category, cut into the shares of its parts, which add up to 100%. What is
// negative or not finite counts as nothing; a category without anything has no bar.
struct ShareParts {
  std::vector<std::string> categories;
  std::vector<std::string> parts;
  std::vector<std::vector<double>> amounts;  // [parts][categories], in any unit; missing: nothing
};
// Without title, description and axis names. The part of the first name lies at the bottom; its
// label tells the share in the last bar; a part that is nothing everywhere has none.
Chart SharesChart(const ShareParts& shares);

// A point of work below what the machine allows: Williams, Waterman and Patterson, "Roofline: an
// insightful visual performance model for multicore architectures" (2009).
struct RooflineWork {
  std::string label;
  std::string group;  // tells colour and marker
  double flops = 0;
  double bytes = 0;
  double seconds = 0;
  double seconds_low = kNoValue;  // interval of `seconds`
  double seconds_high = kNoValue;
};
struct RooflineCeiling {
  std::string label;  // its rate is written behind it
  double flops_per_second = 0;
};
struct RooflineLimits {
  std::vector<RooflineCeiling> compute;
  double bytes_per_second = 0;
};
// Height min(flops_per_second, bytes_per_second * FLOPs per byte) over FLOPs per byte, with a
// ceiling for each of `compute`. Limits that are not positive have no line. Groups are in the order
// of first use. Without title and description.
Chart RooflineChart(absl::Span<const RooflineWork> work, const RooflineLimits& limits);

// Measured over predicted, with the diagonal where both agree and the band where measured lies
// within `tolerance` (0.1: 10%) of predicted.
struct PredictedSeries {
  std::string label;
  int style = 0;
  std::vector<ChartMark> marks;  // x predicted, y measured
};
Chart AgreementChart(absl::Span<const PredictedSeries> series, double tolerance,
                     const std::string& what, const std::string& unit);
// The same with the diagonal laid flat: measured divided by predicted, over predicted.
Chart AgreementRatioChart(absl::Span<const PredictedSeries> series, double tolerance,
                          const std::string& what, const std::string& unit);

// Share of the values that are at most x, as steps. Values that are not finite are passed over.
ChartSeries EcdfSeries(const std::string& label, int style, std::vector<double> values);

// Counts of values in `bins` boxes of equal width from the least to the largest. REQUIRES: bins >
// 0.
ChartSeries HistogramSeries(const std::string& label, int style, absl::Span<const double> values,
                            int bins);

// Bars from start to end, one row for each name, the first at the top: timelines and waterfalls.
struct TimelineBar {
  size_t row = 0;
  double start = 0;
  double end = 0;
  int style = 0;
};
Chart TimelineChart(const std::vector<std::string>& rows, absl::Span<const TimelineBar> bars,
                    const ChartAxis& time);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CHART_KINDS_H_
