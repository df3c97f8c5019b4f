// Pictures of what happened when.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/quantile.h"
#include "tools/load_charts.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr int kLineStyle = 6;      // black, for what is no data
constexpr double kHeadroom = 1.3;  // above the highest point, for its label

ChartAxis TimeAxis() { return {.label = "Time since the start", .unit = "s"}; }

// A level over time, as steps. Names its highest point.
ChartSeries LevelSeries(const Levels& levels, double end_seconds, int style) {
  const Levels drawn = DrawsMeans(levels) ? MeanLevels(levels, end_seconds, kLevelParts) : levels;
  ChartSeries series = {.shape = SeriesShape::kSteps, .style = style};
  if (drawn.empty() || drawn.front().seconds > 0) series.marks.push_back({0, 0});
  for (const LevelPoint& point : drawn) series.marks.push_back({point.seconds, point.level});
  if (drawn.empty() || drawn.back().seconds < end_seconds) {
    series.marks.push_back({end_seconds, series.marks.back().y});
  }
  return series;
}

double Highest(const Levels& levels) {
  double highest = 0;
  for (const LevelPoint& point : levels) highest = std::max(highest, point.level);
  return highest;
}

void NameHighest(const std::string& name, ChartSeries& series) {
  const auto highest =
      std::max_element(series.marks.begin(), series.marks.end(),
                       [](const ChartMark& a, const ChartMark& b) { return a.y < b.y; });
  if (highest != series.marks.end()) highest->label = name;
}

void AddWarmUp(double warm_up_seconds, double height, Chart& chart) {
  if (!(warm_up_seconds > 0)) return;
  ChartSeries line = {.shape = SeriesShape::kLine, .style = kLineStyle};
  line.marks = {{warm_up_seconds, 0}, {warm_up_seconds, height}};
  line.marks.back().label = "warm-up ends";
  chart.series.push_back(std::move(line));
}

}  // namespace

bool DrawsMeans(const Levels& levels) { return levels.size() > kMostLevelPoints; }

Chart RunningWaitingChart(const LoadLevels& levels, double end_seconds, double warm_up_seconds) {
  Chart chart;
  chart.title = "Requests running and waiting over time";
  chart.description = "How many requests held blocks of the cache, and how many waited for them.";
  chart.x = TimeAxis();
  chart.y = {.label = "Requests", .unit = "", .low = 0};
  chart.height_px = 380;
  double height = 0;
  int style = 0;
  for (const auto& [name, own] :
       {std::pair("running", &levels.running), std::pair("waiting", &levels.waiting)}) {
    ChartSeries series = LevelSeries(*own, end_seconds, style++);
    NameHighest(absl::StrCat(name, ", at most ", FormatCount(std::llround(Highest(*own)))), series);
    for (const ChartMark& mark : series.marks) height = std::max(height, mark.y);
    chart.series.push_back(std::move(series));
  }
  chart.y.high = kHeadroom * (height > 0 ? height : 1);
  AddWarmUp(warm_up_seconds, *chart.y.high, chart);
  return chart;
}

Chart CacheChart(const Levels& blocks, double all_blocks, double end_seconds) {
  Chart chart;
  chart.title = "Cache blocks held over time";
  chart.description = "Share of the cache's blocks that running requests held.";
  chart.x = TimeAxis();
  chart.y = {.label = "Cache blocks held", .unit = "%", .low = 0, .high = 100 * kHeadroom};
  chart.y.ticks = {{0, "0"}, {25, "25"}, {50, "50"}, {75, "75"}, {100, "100"}};
  chart.height_px = 320;
  ChartSeries series = LevelSeries(blocks, end_seconds, 0);
  for (ChartMark& mark : series.marks) mark.y *= 100 / all_blocks;
  NameHighest(absl::StrFormat("at most %.0f%%", 100 * Highest(blocks) / all_blocks), series);
  chart.series.push_back(std::move(series));
  return chart;
}

std::vector<StallPart> FindStalls(const RepetitionRecord& repetition) {
  std::vector<StallPart> parts(kStallParts);
  std::vector<std::vector<double>> gaps(kStallParts);
  const double length = repetition.end_seconds / kStallParts;
  for (const RequestRecord& request : repetition.requests) {
    for (size_t i = 1; i < request.token_seconds.size(); ++i) {
      const double end = request.token_seconds[i];
      const double gap = end - request.token_seconds[i - 1];
      const double place = length > 0 ? std::clamp(end / length, 0.0, kStallParts - 1.0) : 0;
      const auto part = static_cast<size_t>(place);
      gaps[part].push_back(gap);
      if (gap > parts[part].longest) {
        parts[part].seconds = end;
        parts[part].longest = gap;
        parts[part].request = request.id;
      }
    }
  }
  std::vector<StallPart> found;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (gaps[i].empty()) continue;
    parts[i].median_at = length * (static_cast<double>(i) + 0.5);
    parts[i].median = QuantileInPlace(gaps[i], 0.5);
    found.push_back(parts[i]);
  }
  return found;
}

Chart StallChart(absl::Span<const StallPart> stalls, std::optional<double> itl_target_seconds) {
  Chart chart;
  chart.title = "Gaps between tokens over time";
  chart.description =
      "The longest gap between two tokens of any request, and the median gap, in each part of the "
      "run. The axis of gaps is logarithmic.";
  chart.x = TimeAxis();
  chart.x.low = 0;
  chart.y = {.label = "Gap between two tokens", .unit = "s", .scale = AxisScale::kLog10};
  ChartSeries longest = {.label = "longest", .shape = SeriesShape::kPoints, .style = 4};
  ChartSeries median = {.label = "median", .shape = SeriesShape::kPoints, .style = 0};
  for (const StallPart& part : stalls) {
    longest.marks.push_back({part.seconds, part.longest});
    median.marks.push_back({part.median_at, part.median});
  }
  const auto worst = std::max_element(
      stalls.begin(), stalls.end(),
      [](const StallPart& a, const StallPart& b) { return a.longest < b.longest; });
  if (worst != stalls.end()) {
    longest.marks[static_cast<size_t>(worst - stalls.begin())].label =
        absl::StrCat("request ", worst->request, ": ", FormatSeconds(worst->longest));
    chart.y.high = 3 * worst->longest;  // room for that label
  }
  if (itl_target_seconds.has_value() && !stalls.empty()) {
    ChartSeries target = {.label = "target", .shape = SeriesShape::kLine, .style = kLineStyle};
    target.marks = {{0, *itl_target_seconds}, {stalls.back().seconds, *itl_target_seconds}};
    chart.series.push_back(std::move(target));
  }
  chart.series.push_back(std::move(longest));
  chart.series.push_back(std::move(median));
  return chart;
}

}  // namespace plumbline
