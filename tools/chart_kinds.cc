#include "tools/chart_kinds.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr double kBarHalfWidth = 0.4;  // of the distance between two bars

bool IsPositive(double value) { return std::isfinite(value) && value > 0; }

// Two digits of it.
std::string PercentText(double percent) {
  return percent < 9.95 ? absl::StrFormat("%.2g%%", percent) : absl::StrFormat("%.0f%%", percent);
}

double AmountOf(const ShareParts& shares, size_t part, size_t category) {
  if (part >= shares.amounts.size() || category >= shares.amounts[part].size()) return 0;
  const double amount = shares.amounts[part][category];
  return IsPositive(amount) ? amount : 0;
}

// [parts][categories]: percent of the category's sum; all zero where there is none.
std::vector<std::vector<double>> Percentages(const ShareParts& shares) {
  const size_t parts = shares.parts.size();
  std::vector<std::vector<double>> percent(parts, std::vector<double>(shares.categories.size(), 0));
  for (size_t c = 0; c < shares.categories.size(); ++c) {
    double largest = 0;
    for (size_t p = 0; p < parts; ++p) largest = std::max(largest, AmountOf(shares, p, c));
    if (largest == 0) continue;
    double sum = 0;  // relative to the largest, so that it can't overflow
    for (size_t p = 0; p < parts; ++p) sum += AmountOf(shares, p, c) / largest;
    for (size_t p = 0; p < parts; ++p)
      percent[p][c] = 100 * (AmountOf(shares, p, c) / largest) / sum;
  }
  return percent;
}

// Least and largest positive value; 1 and 1 where there is none.
std::pair<double, double> PositiveRange(const std::vector<double>& values) {
  double low = 0;
  double high = 0;
  for (const double value : values) {
    if (!IsPositive(value)) continue;
    low = low == 0 ? value : std::min(low, value);
    high = std::max(high, value);
  }
  return low == 0 ? std::pair(1.0, 1.0) : std::pair(low, high);
}

ChartSeries LimitLine(std::string label, std::vector<ChartMark> marks) {
  return {.label = std::move(label),
          .shape = SeriesShape::kLine,
          .place = LabelPlace::kAlong,
          .style = 6,
          .marks = std::move(marks)};
}

constexpr double kRoofSpan = 32;  // of a ceiling, in FLOPs per byte from its ridge

// The line of memory ends where it meets the highest ceiling; each ceiling begins at that line.
void AddCeilings(const RooflineLimits& limits, double low, double high, Chart& chart) {
  const double bytes = IsPositive(limits.bytes_per_second) ? limits.bytes_per_second : 0;
  std::vector<RooflineCeiling> ceilings;
  for (const RooflineCeiling& ceiling : limits.compute) {
    if (IsPositive(ceiling.flops_per_second)) ceilings.push_back(ceiling);
  }
  double last_ridge = 0;
  for (const RooflineCeiling& ceiling : ceilings) {
    if (bytes == 0) break;
    const double ridge = ceiling.flops_per_second / bytes;
    low = std::min(low, ridge / 16);
    high = std::max(high, ridge * kRoofSpan);  // room for the label
    last_ridge = std::max(last_ridge, ridge);
  }
  if (bytes > 0) {
    const double end = ceilings.empty() ? high : last_ridge;
    chart.series.push_back(LimitLine(absl::StrCat("memory ", FormatSi(bytes), "B/s"),
                                     {{low, bytes * low}, {end, bytes * end}}));
  }
  for (const RooflineCeiling& ceiling : ceilings) {
    const double rate = ceiling.flops_per_second;
    const double start = bytes > 0 ? rate / bytes : low;
    chart.series.push_back(LimitLine(absl::StrCat(ceiling.label, " ", FormatSi(rate), "FLOP/s"),
                                     {{start, rate}, {high, rate}}));
  }
}

ChartAxis LogAxis(const std::string& label, const std::string& unit) {
  ChartAxis axis;
  axis.label = label;
  axis.unit = unit;
  axis.scale = AxisScale::kLog10;
  return axis;
}

// Least and largest predicted or measured value, a little apart.
std::pair<double, double> AgreementRange(absl::Span<const PredictedSeries> series) {
  std::vector<double> values;
  for (const PredictedSeries& one : series) {
    for (const ChartMark& mark : one.marks) {
      for (const double value : {mark.x, mark.y, mark.low, mark.high}) values.push_back(value);
    }
  }
  const auto [low, high] = PositiveRange(values);
  return {low / 1.3, high * 1.3};
}

// Shows the band with room around it; logarithmic where a ratio is far off.
ChartAxis RatioAxis(const std::vector<ChartSeries>& series, double tolerance) {
  constexpr double kFarOff = 3;
  std::vector<double> ratios = {1 - 2 * tolerance, 1 + 2 * tolerance};
  for (const ChartSeries& one : series) {
    for (const ChartMark& mark : one.marks) {
      for (const double value : {mark.y, mark.low, mark.high}) ratios.push_back(value);
    }
  }
  const auto [low, high] = PositiveRange(ratios);
  ChartAxis axis = LogAxis("Measured / predicted", "");
  if (high < kFarOff && low > 1 / kFarOff) {
    axis.scale = AxisScale::kLinear;
    axis.low = tolerance * std::floor(low / tolerance + 1e-9);
    axis.high = tolerance * std::ceil(high / tolerance - 1e-9);
  }
  return axis;
}

}  // namespace

Chart SharesChart(const ShareParts& shares) {
  Chart chart;
  chart.y = {.label = "Share", .unit = "%", .low = 0, .high = 100};
  chart.x.low = -0.6;
  chart.x.high = std::max(1.0, static_cast<double>(shares.categories.size())) - 0.4;
  for (size_t c = 0; c < shares.categories.size(); ++c) {
    chart.x.ticks.push_back({static_cast<double>(c), shares.categories[c]});
  }
  const std::vector<std::vector<double>> percent = Percentages(shares);
  std::vector<double> below(shares.categories.size(), 0);
  for (size_t p = 0; p < shares.parts.size(); ++p) {
    ChartSeries series;
    series.shape = SeriesShape::kBoxes;
    series.style = static_cast<int>(p);
    double last = 0;
    for (size_t c = 0; c < below.size(); ++c) {
      const auto at = static_cast<double>(c);
      const double top = std::min(100.0, below[c] + percent[p][c]);
      const bool last_part = p + 1 == shares.parts.size();
      const bool any = below[c] > 0 || percent[p][c] > 0 || !last_part;
      if (any) series.boxes.push_back({at - kBarHalfWidth, at + kBarHalfWidth, below[c], top});
      below[c] = top;
      last = percent[p][c];
    }
    const bool anywhere =
        std::any_of(percent[p].begin(), percent[p].end(), [](double share) { return share > 0; });
    if (anywhere) series.label = absl::StrCat(shares.parts[p], " ", PercentText(last));
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Chart RooflineChart(absl::Span<const RooflineWork> work, const RooflineLimits& limits) {
  Chart chart;
  chart.x = LogAxis("Arithmetic intensity", "FLOP/byte");
  chart.y = LogAxis("Speed", "FLOP/s");
  chart.height_px = 560;
  std::vector<double> intensities;
  intensities.reserve(work.size());
  for (const RooflineWork& one : work) intensities.push_back(one.flops / one.bytes);
  const auto [low, high] = PositiveRange(intensities);
  AddCeilings(limits, low / 3, high * 3, chart);
  const size_t first = chart.series.size();
  for (const RooflineWork& one : work) {
    const auto group =
        std::find_if(chart.series.begin() + static_cast<std::ptrdiff_t>(first), chart.series.end(),
                     [&one](const ChartSeries& series) { return series.label == one.group; });
    const auto index = static_cast<size_t>(group - chart.series.begin());
    if (index == chart.series.size()) {
      chart.series.push_back({.label = one.group,
                              .shape = SeriesShape::kPoints,
                              .place = LabelPlace::kKey,
                              .style = static_cast<int>(index - first)});
    }
    chart.series[index].marks.push_back({one.flops / one.bytes, one.flops / one.seconds,
                                         one.flops / one.seconds_high, one.flops / one.seconds_low,
                                         one.label});
  }
  return chart;
}

Chart AgreementChart(absl::Span<const PredictedSeries> series, double tolerance,
                     const std::string& what, const std::string& unit) {
  Chart chart;
  const auto [low, high] = AgreementRange(series);
  chart.x = LogAxis(absl::StrCat("Predicted ", what), unit);
  chart.y = LogAxis(absl::StrCat("Measured ", what), unit);
  chart.x.low = chart.y.low = low;
  chart.x.high = chart.y.high = high;
  chart.height_px = 560;
  ChartSeries band = {.shape = SeriesShape::kBand};
  ChartSeries diagonal = {.shape = SeriesShape::kLine, .style = 6};
  for (const double x : {low, high}) {
    band.marks.push_back({x, x, x * (1 - tolerance), x * (1 + tolerance)});
    diagonal.marks.push_back({x, x});
  }
  chart.series = {band, diagonal};
  for (const PredictedSeries& one : series) {
    chart.series.push_back({.label = one.label,
                            .shape = SeriesShape::kPoints,
                            .place = LabelPlace::kKey,
                            .style = one.style,
                            .marks = one.marks});
  }
  return chart;
}

Chart AgreementRatioChart(absl::Span<const PredictedSeries> series, double tolerance,
                          const std::string& what, const std::string& unit) {
  Chart chart;
  const auto [low, high] = AgreementRange(series);
  chart.x = LogAxis(absl::StrCat("Predicted ", what), unit);
  chart.x.low = low;
  chart.x.high = high;
  ChartSeries band = {.label = absl::StrCat("within ", PercentText(100 * tolerance)),
                      .shape = SeriesShape::kBand,
                      .style = 6};
  ChartSeries even = {.shape = SeriesShape::kLine, .style = 6};
  for (const double x : {low, high}) {
    band.marks.push_back({x, 1, 1 - tolerance, 1 + tolerance});
    even.marks.push_back({x, 1});
  }
  chart.series = {band, even};
  for (const PredictedSeries& one : series) {
    ChartSeries ratios = {.label = one.label,
                          .shape = SeriesShape::kPoints,
                          .place = LabelPlace::kKey,
                          .style = one.style};
    for (const ChartMark& mark : one.marks) {
      ratios.marks.push_back(
          {mark.x, mark.y / mark.x, mark.low / mark.x, mark.high / mark.x, mark.label});
    }
    chart.series.push_back(std::move(ratios));
  }
  chart.y = RatioAxis(chart.series, tolerance);
  return chart;
}

}  // namespace plumbline
