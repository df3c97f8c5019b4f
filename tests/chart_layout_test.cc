#include "tools/chart_layout.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/chart_style.h"

namespace plumbline::chart_layout_test {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(SpreadTest, LeavesAloneWhatIsFarApart) {
  EXPECT_THAT(Spread({10, 90, 50}, 20, 0, 100), ElementsAre(10, 90, 50));
  EXPECT_THAT(Spread({}, 20, 0, 100), IsEmpty());
  EXPECT_THAT(Spread({-5}, 20, 0, 100), ElementsAre(0));
}

TEST(SpreadTest, MovesCrowdsApartAroundTheirMiddle) {
  EXPECT_THAT(Spread({50, 50, 50}, 20, 0, 100), ElementsAre(30, 50, 70));
  EXPECT_THAT(Spread({98, 99}, 20, 0, 100), ElementsAre(80, 100));
  EXPECT_THAT(Spread({1, 2, 50}, 20, 0, 100), ElementsAre(0, 20, 50));
}

TEST(SpreadTest, ShrinksTheGapWhereThereIsNoRoom) {
  EXPECT_THAT(Spread({1, 1, 1, 1, 1}, 50, 0, 100), ElementsAre(0, 25, 50, 75, 100));
}

TEST(SpreadTest, RandomHeightsKeepOrderGapAndRoom) {
  const unsigned seed = 20260731;
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> height(0, 400);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> wanted(1 + round % 12);
    for (double& value : wanted) value = height(random);
    const std::vector<double> placed = Spread(wanted, 25, 0, 400);
    for (size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_GE(placed[i], -1e-9);
      EXPECT_LE(placed[i], 400 + 1e-9);
      for (size_t k = 0; k < wanted.size(); ++k) {
        if (wanted[i] < wanted[k]) {
          EXPECT_GE(placed[k] - placed[i], 25 - 1e-9);
        }
      }
    }
  }
}

Chart LinesThatEndTogether(int count) {
  Chart chart;
  for (int i = 0; i < count; ++i) {
    ChartSeries series = {.label = absl::StrCat("series ", i), .style = i};
    series.marks = {{1, 1.0 + i}, {2, 5 + 0.01 * i}};
    chart.series.push_back(series);
  }
  return chart;
}

TEST(ChartLayoutTest, EndLabelsKeepApart) {
  const ChartLayout layout = LayOut(LinesThatEndTogether(8));
  ASSERT_EQ(layout.labels.size(), 8u);
  for (size_t i = 1; i < layout.labels.size(); ++i) {
    EXPECT_GE(layout.labels[i].at.y - layout.labels[i - 1].at.y, kFontPx);
    EXPECT_GT(layout.labels[i].at.x, layout.plot.right);
    EXPECT_LE(layout.labels[i].at.x + TextWidthPx(layout.labels[i].text), kCanvasWidthPx);
  }
}

TEST(ChartLayoutTest, LongNamesLeaveRoomForThePlot) {
  Chart chart = LinesThatEndTogether(1);
  chart.series[0].label = std::string(500, 'w');
  chart.y.ticks = {{1, std::string(500, 'w')}};
  const ChartLayout layout = LayOut(chart);
  EXPECT_GT(layout.plot.right - layout.plot.left, 20);
}

// Half overlaps of boxes that the texts fill.
bool Overlap(const PlacedLabel& a, const PlacedLabel& b) {
  const auto left = [](const PlacedLabel& label) {
    const double share = label.align == TextAlign::kLeft    ? 0
                         : label.align == TextAlign::kRight ? 1
                                                            : 0.5;
    return label.at.x - share * TextWidthPx(label.text);
  };
  const bool across =
      left(a) < left(b) + TextWidthPx(b.text) && left(b) < left(a) + TextWidthPx(a.text);
  return across && std::abs(a.at.y - b.at.y) < kFontPx;
}

TEST(ChartLayoutTest, LabelsOfCrowdedPointsKeepApart) {
  Chart chart;
  ChartSeries series = {.shape = SeriesShape::kPoints};
  for (int i = 0; i < 6; ++i) {
    series.marks.push_back(
        {1 + 0.001 * i, 10 + 0.1 * i, kNoValue, kNoValue, absl::StrCat("class ", i)});
  }
  series.marks.push_back({1.5, 30, kNoValue, kNoValue, "alone"});
  series.marks.push_back({2, 20});
  chart.series = {series};
  const ChartLayout layout = LayOut(chart);
  ASSERT_EQ(layout.labels.size(), 7u);
  for (size_t i = 0; i < layout.labels.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      EXPECT_FALSE(Overlap(layout.labels[i], layout.labels[k]))
          << layout.labels[i].text << " and " << layout.labels[k].text;
    }
  }
}

TEST(ChartLayoutTest, AlongALineTheLabelTurnsWithIt) {
  Chart chart;
  chart.series = {{.label = "limit", .shape = SeriesShape::kLine, .place = LabelPlace::kAlong}};
  chart.series[0].marks = {{0, 0}, {10, 10}};
  const ChartLayout layout = LayOut(chart);
  ASSERT_EQ(layout.labels.size(), 1u);
  const double rise = (layout.plot.top - layout.plot.bottom) * layout.y.Fraction(10);
  const double run = (layout.plot.right - layout.plot.left) * layout.x.Fraction(10);
  EXPECT_THAT(std::tan(layout.labels[0].degrees * std::acos(-1) / 180),
              DoubleNear(rise / run, 1e-6));
}

TEST(ChartLayoutTest, ALabelLongerThanItsLevelLineEndsWithIt) {
  Chart chart;
  chart.x.low = 0;
  chart.x.high = 100;
  chart.series = {{.label = "a limit with a long name and its rate in words",
                   .shape = SeriesShape::kLine,
                   .place = LabelPlace::kAlong}};
  chart.series[0].marks = {{90, 1}, {100, 1}};
  const ChartLayout layout = LayOut(chart);
  ASSERT_EQ(layout.labels.size(), 1u);
  const double end = layout.labels[0].at.x + TextWidthPx(layout.labels[0].text) / 2;
  EXPECT_NEAR(end, layout.plot.right, 1e-6);
}

TEST(ChartLayoutTest, CountsWhatItCannotShow) {
  Chart chart;
  chart.y.scale = AxisScale::kLog10;
  chart.series = {{.label = "a"}};
  chart.series[0].marks = {{1, 1},        {2, 0},     {3, kNoValue}, {4, -1},
                           {kNoValue, 1}, {5, 1e200}, {6, 10}};
  EXPECT_EQ(LayOut(chart).omitted, 5);
  chart.x.high = 5.5;
  EXPECT_EQ(LayOut(chart).omitted, 6);
  chart.series[0].marks.clear();
  EXPECT_EQ(LayOut(chart).omitted, 0);
  EXPECT_THAT(LayOut(chart).labels, IsEmpty());
}

TEST(ChartLayoutTest, TicksHaveRoom) {
  Chart chart;
  chart.x = {.label = "Length", .unit = "tokens", .scale = AxisScale::kLog2};
  chart.series = {{.shape = SeriesShape::kLine}};
  for (int power = 0; power < 20; ++power) chart.series[0].marks.push_back({std::exp2(power), 1.0});
  const ChartLayout layout = LayOut(chart);
  EXPECT_GE(layout.x.ticks.size(), 5u);
  for (size_t i = 1; i < layout.x.ticks.size(); ++i) {
    const double distance = (layout.x.Fraction(layout.x.ticks[i].value) -
                             layout.x.Fraction(layout.x.ticks[i - 1].value)) *
                            (layout.plot.right - layout.plot.left);
    EXPECT_GE(distance, TextWidthPx(layout.x.ticks[i].label) / 2 +
                            TextWidthPx(layout.x.ticks[i - 1].label) / 2);
  }
}

TEST(ChartLayoutTest, LargeChartsStayQuick) {
  Chart chart;
  chart.series = {{.label = "many", .place = LabelPlace::kNear}};
  for (int i = 0; i < 20000; ++i) {
    chart.series[0].marks.push_back({1.0 * i, std::sin(i), kNoValue, kNoValue, "label"});
  }
  EXPECT_LE(LayOut(chart).labels.size(), 61u);
}

// Relative luminance by WCAG 2.1.
double Luminance(const std::string& colour) {
  double sum = 0;
  constexpr double kWeights[] = {0.2126, 0.7152, 0.0722};
  for (size_t i = 0; i < 3; ++i) {
    const double share = std::stoi(colour.substr(1 + 2 * i, 2), nullptr, 16) / 255.0;
    sum +=
        kWeights[i] * (share <= 0.03928 ? share / 12.92 : std::pow((share + 0.055) / 1.055, 2.4));
  }
  return sum;
}

TEST(ChartStyleTest, TextIsReadableOnWhiteAndStylesDiffer) {
  for (size_t i = 0; i < kSeriesStyles.size(); ++i) {
    EXPECT_GE(1.05 / (Luminance(kSeriesStyles[i].text_colour) + 0.05), 4.5) << i;
    for (size_t k = 0; k < i; ++k) {
      EXPECT_STRNE(kSeriesStyles[i].colour, kSeriesStyles[k].colour);
      EXPECT_NE(kSeriesStyles[i].marker, kSeriesStyles[k].marker);
    }
  }
  EXPECT_STREQ(StyleOf(-1).colour, kSeriesStyles.back().colour);
  EXPECT_STREQ(StyleOf(kChartStyles).colour, kSeriesStyles.front().colour);
}

}  // namespace
}  // namespace plumbline::chart_layout_test
