// Charts of many requests: how long they took, and when.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "tools/chart_kinds.h"
#include "tools/table.h"

namespace plumbline {

ChartSeries EcdfSeries(const std::string& label, int style, std::vector<double> values) {
  values.erase(std::remove_if(values.begin(), values.end(),
                              [](double value) { return !std::isfinite(value); }),
               values.end());
  std::sort(values.begin(), values.end());
  ChartSeries series = {.label = label, .shape = SeriesShape::kSteps, .style = style};
  const auto count = static_cast<double>(values.size());
  if (!values.empty()) series.marks.push_back({values[0], 0});
  for (size_t i = 0; i < values.size(); ++i) {
    series.marks.push_back({values[i], static_cast<double>(i + 1) / count});
  }
  return series;
}

ChartSeries HistogramSeries(const std::string& label, int style, absl::Span<const double> values,
                            int bins) {
  ChartSeries series = {.label = label, .shape = SeriesShape::kBoxes, .style = style};
  std::vector<double> finite;
  for (const double value : values) {
    if (std::isfinite(value)) finite.push_back(value);
  }
  if (finite.empty()) return series;
  const auto [low, high] = std::minmax_element(finite.begin(), finite.end());
  // Halves first: the difference of two finite values may not be finite.
  const double half_width = (*high / 2 - *low / 2) / bins;
  std::vector<int64_t> counts(static_cast<size_t>(bins), 0);
  for (const double value : finite) {
    const double bin = half_width > 0 ? std::floor((value / 2 - *low / 2) / half_width) : 0;
    ++counts[static_cast<size_t>(std::clamp(bin, 0.0, bins - 1.0))];
  }
  // A single value has a box of some width all the same.
  const double width = half_width > 0 ? 2 * half_width : std::max(std::abs(*low), 1.0) / bins;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double left = *low + width * static_cast<double>(i);
    if (counts[i] > 0)
      series.boxes.push_back({left, left + width, 0, static_cast<double>(counts[i])});
  }
  return series;
}

Chart TimelineChart(const std::vector<std::string>& rows, absl::Span<const TimelineBar> bars,
                    const ChartAxis& time) {
  constexpr int kRowPx = 30;
  constexpr double kRowHalfHeight = 0.4;  // of the distance between two rows
  constexpr size_t kMostRows = 120;
  Chart chart;
  chart.x = time;
  chart.height_px = 90 + kRowPx * static_cast<int>(std::min(rows.size(), kMostRows));
  chart.y.low = -0.5 - static_cast<double>(std::max<size_t>(rows.size(), 1) - 1);
  chart.y.high = 0.5;
  for (size_t r = 0; r < rows.size(); ++r) {
    chart.y.ticks.push_back({-static_cast<double>(r), CutText(Printable(rows[r]), 18)});
  }
  for (const TimelineBar& bar : bars) {
    const double at = -static_cast<double>(bar.row);
    chart.series.push_back(
        {.shape = SeriesShape::kBoxes,
         .style = bar.style,
         .boxes = {{bar.start, bar.end, at - kRowHalfHeight, at + kRowHalfHeight}}});
  }
  return chart;
}

}  // namespace plumbline
