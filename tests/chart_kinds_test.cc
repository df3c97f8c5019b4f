#include "tools/chart_kinds.h"

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/chart_layout.h"

namespace plumbline::chart_kinds_test {
namespace {

using testing::AnyOf;
using testing::DoubleEq;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(SharesChartTest, StacksPartsToTheWhole) {
  const Chart chart = SharesChart({{"128", "256"}, {"a", "b"}, {{1, 3}, {3, 1}}});
  ASSERT_THAT(chart.series, SizeIs(2));
  EXPECT_EQ(chart.series[0].label, "a 75%");
  EXPECT_EQ(chart.series[1].label, "b 25%");
  ASSERT_THAT(chart.series[1].boxes, SizeIs(2));
  EXPECT_DOUBLE_EQ(chart.series[0].boxes[0].y_high, 25);
  EXPECT_DOUBLE_EQ(chart.series[1].boxes[0].y_low, 25);
  EXPECT_DOUBLE_EQ(chart.series[1].boxes[0].y_high, 100);
  EXPECT_THAT(chart.x.ticks,
              ElementsAre(Field(&ChartTick::label, "128"), Field(&ChartTick::label, "256")));
}

TEST(SharesChartTest, OddAmountsCountAsNothing) {
  const Chart chart = SharesChart(
      {{"x", "y", "z"}, {"a", "b", "c"}, {{kNoValue, 1e308, 0}, {2, 1e308, kInfinity}, {-5}}});
  ASSERT_THAT(chart.series, SizeIs(3));
  EXPECT_EQ(chart.series[2].label, "");  // nothing anywhere
  EXPECT_EQ(chart.series[0].label, "a 0%");
  EXPECT_DOUBLE_EQ(chart.series[1].boxes[0].y_high - chart.series[1].boxes[0].y_low, 100);
  EXPECT_DOUBLE_EQ(chart.series[0].boxes[1].y_high, 50);
  EXPECT_EQ(LayOut(chart).omitted, 0);
  EXPECT_THAT(SharesChart({}).series, IsEmpty());
}

TEST(RooflineChartTest, CeilingsMeetAtTheRidge) {
  const Chart chart =
      RooflineChart({}, {{{"bf16 matrices", 400e9}, {"f32 attention", 200e9}}, 20e9});
  ASSERT_THAT(chart.series, SizeIs(3));
  EXPECT_EQ(chart.series[0].label, "memory 20 GB/s");
  EXPECT_EQ(chart.series[1].label, "bf16 matrices 400 GFLOP/s");
  EXPECT_EQ(chart.series[2].label, "f32 attention 200 GFLOP/s");
  EXPECT_DOUBLE_EQ(chart.series[0].marks[1].x, 20);
  EXPECT_DOUBLE_EQ(chart.series[0].marks[1].y, 400e9);
  EXPECT_DOUBLE_EQ(chart.series[1].marks[0].x, 20);
  EXPECT_DOUBLE_EQ(chart.series[1].marks[0].y, 400e9);
  EXPECT_DOUBLE_EQ(chart.series[2].marks[0].x, 10);
  EXPECT_DOUBLE_EQ(chart.series[2].marks[0].y, 200e9);
  EXPECT_EQ(chart.series[2].marks[1].x, chart.series[1].marks[1].x);
}

TEST(RooflineChartTest, PointsStandAtTheirIntensityAndSpeed) {
  const std::vector<RooflineWork> work = {
      {"a", "prefill", 100, 10, 2, 1, 4}, {"b", "decode", 10, 10, 1}, {"c", "prefill", 100, 20, 1}};
  const Chart chart = RooflineChart(work, {{{"f32", 400}}, 20});
  ASSERT_THAT(chart.series, SizeIs(4));
  const ChartSeries& prefill = chart.series[2];
  EXPECT_EQ(prefill.label, "prefill");
  ASSERT_THAT(prefill.marks, SizeIs(2));
  EXPECT_EQ(prefill.marks[0].label, "a");
  EXPECT_DOUBLE_EQ(prefill.marks[0].x, 10);
  EXPECT_DOUBLE_EQ(prefill.marks[0].y, 50);
  EXPECT_DOUBLE_EQ(prefill.marks[0].low, 25);
  EXPECT_DOUBLE_EQ(prefill.marks[0].high, 100);
  EXPECT_NE(chart.series[3].style, prefill.style);
}

TEST(RooflineChartTest, MissingLimitsAndWorkAreLeftOut) {
  EXPECT_THAT(RooflineChart({}, {{{"f32", 0}}, kNoValue}).series, IsEmpty());
  EXPECT_THAT(RooflineChart({}, {{{"f32", 1e9}}, -1}).series, SizeIs(1));
  const std::vector<RooflineWork> work = {
      {"no bytes", "g", 1, 0, 1}, {"no time", "g", 1, 1, 0}, {"nothing", "g", 0, 0, 0}};
  EXPECT_THAT(RooflineChart({}, {{}, 1e9}).series, SizeIs(1));
  EXPECT_EQ(LayOut(RooflineChart(work, {{{"f32", 400}}, 20})).omitted, 3);
}

std::vector<PredictedSeries> Pairs(double measured) {
  return {{"decode", 1, {{1, 1.05, 1.0, 1.1}, {10, measured}}}};
}

TEST(AgreementChartTest, BandFollowsTheDiagonal) {
  const Chart chart = AgreementChart(Pairs(10), 0.1, "time", "s");
  const ChartSeries& band = chart.series[0];
  EXPECT_EQ(band.shape, SeriesShape::kBand);
  for (const ChartMark& mark : band.marks) {
    EXPECT_DOUBLE_EQ(mark.low, 0.9 * mark.x);
    EXPECT_DOUBLE_EQ(mark.high, 1.1 * mark.x);
  }
  EXPECT_LT(band.marks[0].x, 1);
  EXPECT_GT(band.marks[1].x, 10);
  EXPECT_EQ(chart.x.low, chart.y.low);
  EXPECT_EQ(chart.x.high, chart.y.high);
}

TEST(AgreementChartTest, RatiosAreMeasuredOverPredicted) {
  const Chart chart = AgreementRatioChart(Pairs(12), 0.1, "time", "s");
  EXPECT_EQ(chart.y.scale, AxisScale::kLinear);
  EXPECT_THAT(chart.y.low, testing::Optional(DoubleEq(0.8)));
  EXPECT_THAT(chart.y.high, testing::Optional(DoubleEq(0.1 * 12)));
  EXPECT_DOUBLE_EQ(chart.series[2].marks[0].y, 1.05);
  EXPECT_DOUBLE_EQ(chart.series[2].marks[0].low, 1.0);
  EXPECT_DOUBLE_EQ(chart.series[2].marks[1].y, 1.2);
  EXPECT_EQ(AgreementRatioChart(Pairs(1000), 0.1, "time", "s").y.scale, AxisScale::kLog10);
}

TEST(AgreementChartTest, NothingToCompareIsNoError) {
  for (const std::vector<PredictedSeries>& series :
       {std::vector<PredictedSeries>{}, {{"a", 0, {{0, 1}, {kNoValue, 2}, {-1, kInfinity}}}}}) {
    EXPECT_THAT(LayOut(AgreementChart(series, 0.1, "time", "s")).omitted, AnyOf(0, 3));
    EXPECT_THAT(LayOut(AgreementRatioChart(series, 0.1, "time", "s")).omitted, AnyOf(0, 3));
  }
}

TEST(EcdfTest, RisesByOneStepForEachValue) {
  const ChartSeries series = EcdfSeries("a", 0, {3, 1, kNoValue, 2, 2, kInfinity});
  std::vector<double> heights;
  for (const ChartMark& mark : series.marks) heights.push_back(mark.y);
  EXPECT_THAT(heights, ElementsAre(0, 0.25, 0.5, 0.75, 1));
  EXPECT_EQ(series.marks.back().x, 3);
  EXPECT_THAT(EcdfSeries("a", 0, {}).marks, IsEmpty());
}

TEST(HistogramTest, CountsEveryFiniteValueOnce) {
  for (const std::vector<double>& values : {std::vector<double>{1, 2, 2.5, 4, kNoValue},
                                            {7, 7, 7, 7},
                                            {0, 0, 0, 0},
                                            {-1e308, 1e308, 0, 1}}) {
    const ChartSeries series = HistogramSeries("a", 0, values, 3);
    double sum = 0;
    for (const ChartBox& box : series.boxes) {
      sum += box.y_high;
      EXPECT_LT(box.x_low, box.x_high);
    }
    EXPECT_EQ(sum, 4);
  }
  EXPECT_THAT(HistogramSeries("a", 0, {kNoValue}, 3).boxes, IsEmpty());
}

TEST(TimelineTest, RowsRunFromTheTop) {
  const std::vector<TimelineBar> bars = {{0, 0, 1, 0}, {1, 1, 3, 1}};
  const Chart chart = TimelineChart({"first", "second"}, bars, {.label = "Time", .unit = "s"});
  ASSERT_THAT(chart.series, SizeIs(2));
  EXPECT_GT(chart.series[0].boxes[0].y_low, chart.series[1].boxes[0].y_high);
  const ChartLayout layout = LayOut(chart);
  EXPECT_EQ(layout.omitted, 0);
  EXPECT_THAT(layout.y.ticks,
              ElementsAre(Field(&ChartTick::label, "second"), Field(&ChartTick::label, "first")));
}

}  // namespace
}  // namespace plumbline::chart_kinds_test
