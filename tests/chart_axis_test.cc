#include "tools/chart_axis.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::chart_axis_test {
namespace {

using testing::ElementsAre;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

ChartAxis Axis(AxisScale scale, const std::string& unit) {
  ChartAxis axis;
  axis.label = "Time";
  axis.unit = unit;
  axis.scale = scale;
  return axis;
}

std::vector<std::string> Labels(const AxisLayout& layout) {
  std::vector<std::string> labels;
  for (const ChartTick& tick : layout.ticks) labels.push_back(tick.label);
  return labels;
}

TEST(ChartAxisTest, LinearAxisStartsAtZeroAndEndsAtATick) {
  const AxisLayout layout = LayOutAxis(Axis(AxisScale::kLinear, "s"), {0.004, 0.0151}, true);
  EXPECT_EQ(layout.low, 0);
  EXPECT_DOUBLE_EQ(layout.high, 0.020);
  EXPECT_THAT(Labels(layout), ElementsAre("0", "5", "10", "15", "20"));
  EXPECT_EQ(layout.title, "Time (ms)");
  EXPECT_DOUBLE_EQ(layout.Fraction(0.005), 0.25);
}

TEST(ChartAxisTest, LengthsHaveTicksAtPowersOfTwo) {
  const AxisLayout layout = LayOutAxis(Axis(AxisScale::kLinear, "tokens"), {128, 8192}, false);
  EXPECT_THAT(Labels(layout), ElementsAre("0", "2048", "4096", "6144", "8192"));
  EXPECT_EQ(layout.title, "Time (tokens)");
  const AxisLayout log = LayOutAxis(Axis(AxisScale::kLog2, "tokens"), {256, 2048}, false);
  EXPECT_THAT(Labels(log), ElementsAre("256", "512", "1024", "2048"));
}

TEST(ChartAxisTest, LogarithmicTicksCarryShortUnits) {
  const AxisLayout layout = LayOutAxis(Axis(AxisScale::kLog10, "s"), {2e-3, 30}, true);
  EXPECT_THAT(Labels(layout), ElementsAre("10 ms", "100 ms", "1 s", "10 s"));
  EXPECT_EQ(layout.title, "Time");
  const AxisLayout few = LayOutAxis(Axis(AxisScale::kLog10, "FLOP/s"), {9e9, 110e9}, true);
  EXPECT_THAT(Labels(few), ElementsAre("10 G", "20 G", "50 G", "100 G"));
  EXPECT_EQ(few.title, "Time (FLOP/s)");
}

TEST(ChartAxisTest, ManyDecadesAreThinned) {
  const AxisLayout layout = LayOutAxis(Axis(AxisScale::kLog10, ""), {1e-30, 1e30}, true);
  EXPECT_GE(layout.ticks.size(), 5u);
  EXPECT_LE(layout.ticks.size(), 12u);
}

TEST(ChartAxisTest, WhatCannotBeDrawnIsPassedOver) {
  for (const AxisScale scale : {AxisScale::kLinear, AxisScale::kLog10, AxisScale::kLog2}) {
    const AxisLayout layout =
        LayOutAxis(Axis(scale, "s"), {kNoValue, kInfinity, -kInfinity, 1e300, 2, 3}, true);
    EXPECT_LE(layout.low, 2);
    EXPECT_GE(layout.high, 3);
    EXPECT_GE(layout.low, 0);
    EXPECT_LT(layout.high, 100);
    const AxisLayout nothing = LayOutAxis(Axis(scale, "s"), {kNoValue}, true);
    EXPECT_LT(nothing.low, nothing.high);
  }
  EXPECT_FALSE(IsDrawable(AxisScale::kLog10, 0));
  EXPECT_FALSE(IsDrawable(AxisScale::kLog2, -1));
  EXPECT_TRUE(IsDrawable(AxisScale::kLinear, -1));
  EXPECT_FALSE(IsDrawable(AxisScale::kLinear, 1e61));
}

TEST(ChartAxisTest, EveryRangeHasAFewAscendingTicks) {
  const std::vector<std::vector<double>> cases = {
      {5},           {0},           {-5},     {0, 1e-12},     {1e60},
      {-1e60, 1e60}, {1e-60},       {-3, -2}, {1e9, 1e9 + 1}, {0.999, 1.001},
      {1, 1e15},     {-1e-9, 1e-9}, {7, 7, 7}};
  for (const std::vector<double>& values : cases) {
    for (const bool whole : {false, true}) {
      const AxisLayout layout = LayOutAxis(Axis(AxisScale::kLinear, "s"), values, whole);
      EXPECT_LT(layout.low, layout.high) << values[0];
      EXPECT_GE(layout.ticks.size(), 2u) << values[0];
      EXPECT_LE(layout.ticks.size(), 14u) << values[0];
      for (size_t i = 1; i < layout.ticks.size(); ++i) {
        EXPECT_LT(layout.ticks[i - 1].value, layout.ticks[i].value);
        EXPECT_NE(layout.ticks[i - 1].label, layout.ticks[i].label) << values[0];
      }
      for (const double value : values) {
        EXPECT_GE(layout.Fraction(value), 0);
        EXPECT_LE(layout.Fraction(value), 1);
      }
    }
  }
}

TEST(ChartAxisTest, GivenRangesAndTicksAreKept) {
  ChartAxis axis = Axis(AxisScale::kLinear, "");
  axis.low = -0.5;
  axis.high = 1.5;
  axis.ticks = {{1, "b"}, {0, "a"}, {7, "outside"}, {kNoValue, "nowhere"}};
  const AxisLayout layout = LayOutAxis(axis, {0, 1}, true);
  EXPECT_EQ(layout.low, -0.5);
  EXPECT_EQ(layout.high, 1.5);
  EXPECT_THAT(Labels(layout), ElementsAre("a", "b"));
}

TEST(ChartAxisTest, SenselessRangesAreNotKept) {
  ChartAxis axis = Axis(AxisScale::kLog10, "");
  axis.low = 0;
  axis.high = kInfinity;
  const AxisLayout layout = LayOutAxis(axis, {1, 10}, true);
  EXPECT_GT(layout.low, 0);
  EXPECT_TRUE(std::isfinite(layout.high));
}

TEST(ChartAxisTest, RangesFarFromZeroEnd) {
  ChartAxis axis = Axis(AxisScale::kLinear, "");
  axis.low = 1e16;
  axis.high = std::nextafter(1e16, 2e16);
  EXPECT_LE(LayOutAxis(axis, {}, false).ticks.size(), 30u);
}

TEST(TickLabelTest, UsesPrefixes) {
  EXPECT_EQ(TickLabel(0.01, "s"), "10 ms");
  EXPECT_EQ(TickLabel(1.5e9, "B"), "1.5 GB");
  EXPECT_EQ(TickLabel(2e-6, "s"), "2 µs");
  EXPECT_EQ(TickLabel(2e5, "FLOP/s"), "200 k");
  EXPECT_EQ(TickLabel(1000, ""), "1 k");
  EXPECT_EQ(TickLabel(0, "s"), "0 s");
  EXPECT_EQ(TickLabel(131072, "tokens"), "131072");
  EXPECT_EQ(TickLabel(1e-30, ""), "1e-30");
}

}  // namespace
}  // namespace plumbline::chart_axis_test
