#include "tools/scale_page.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/gnuplot.h"
#include "tests/support/markup.h"
#include "tests/support/scale_demo.h"
#include "tools/scale_charts.h"

namespace plumbline::scale_page_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

PlotOptions With(const FakeProgram& program) {
  PlotOptions options;
  options.program = program.path();
  return options;
}

TEST(ScaleChartsTest, FitsAreSumsOfPowers) {
  EXPECT_DOUBLE_EQ(FitAt({{0, {1, 0, 0}}, {1, {2, 0, 0}}, {2, {3, 0, 0}}}, 10), 321);
  EXPECT_EQ(FitAt({}, 10), 0);
}

TEST(ScaleChartsTest, CurvesStayWithinWhatWasMeasured) {
  ScaleCurves curves;
  curves.series = {{"s", {{128, {1, 1, 1}}, {1024, {8, 8, 8}}}, {{1, {1.0 / 128, 0, 0}}}}};
  for (const Chart& chart : {PrefillTimeChart(curves), DecodeTimeChart(curves)}) {
    ASSERT_EQ(chart.series.size(), 2u);
    EXPECT_EQ(chart.series[0].shape, SeriesShape::kLine);
    EXPECT_DOUBLE_EQ(chart.series[0].marks.front().x, 128);
    EXPECT_NEAR(chart.series[0].marks.back().x, 1024, 1e-9);
    EXPECT_NEAR(chart.series[0].marks.back().y, 8, 1e-9);
    EXPECT_EQ(chart.series[1].shape, SeriesShape::kPoints);
    EXPECT_EQ(chart.series[0].style, chart.series[1].style);
  }
}

TEST(ScaleChartsTest, OneMacIsTwoFlops) {
  ScaleRoofline roofline;
  roofline.points = {{"scores", "prefill", 50, 10, {2, 2, 2}}};
  const Chart chart = ScaleRooflineChart(roofline);
  ASSERT_EQ(chart.series.size(), 1u);
  EXPECT_DOUBLE_EQ(chart.series[0].marks[0].x, 10);
  EXPECT_DOUBLE_EQ(chart.series[0].marks[0].y, 50);
}

TEST(ScaleChartsTest, CountsAndNamesWhatMissesTheBand) {
  ScalePredictions predictions;
  predictions.points = {{"a", "just inside", 1, {1.0999, 1, 1.2}},
                        {"a", "above", 1, {1.11, 1, 2}},
                        {"b", "below", 1, {0.89, 0.5, 1}},
                        {"b", "exact", 2, {2, 2, 2}},
                        {"b", "none", 0, {1, 1, 1}},
                        {"b", "odd", 1, {kNone, 1, 1}}};
  EXPECT_EQ(MissedPredictions(predictions), 4);
  const Chart chart = PredictedRatioChart(predictions);
  std::set<std::string> named;
  for (const ChartSeries& series : chart.series) {
    for (const ChartMark& mark : series.marks) named.insert(mark.label);
  }
  EXPECT_THAT(named, testing::UnorderedElementsAre("", "above", "below", "none", "odd"));
}

TEST(ScaleChartsTest, NamesTheFurthestOffWhereManyMiss) {
  ScalePredictions predictions;
  for (int i = 1; i <= 50; ++i) {
    const double seconds = 1 + 0.2 * i;
    predictions.points.push_back({"a", absl::StrCat("point ", i), 1, {seconds, seconds, seconds}});
  }
  std::set<std::string> named;
  for (const ChartSeries& series : PredictedRatioChart(predictions).series) {
    for (const ChartMark& mark : series.marks) named.insert(mark.label);
  }
  EXPECT_THAT(named, testing::UnorderedElementsAre("", "point 45", "point 46", "point 47",
                                                   "point 48", "point 49", "point 50"));
}

TEST(ScalePageTest, HasEverySectionAndPicture) {
  const FakeProgram program(kDrawsSomething);
  const absl::StatusOr<std::string> page = ScalePage(ScaleDemo(), With(program));
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(Count(*page, "<svg"), 7);
  EXPECT_EQ(Count(*page, "Not measured"), 0);
  EXPECT_THAT(*page, HasSubstr("13 of 14 measured times lie within 10%"));
  EXPECT_THAT(*page, HasSubstr("<td class=\"text\">MQA, 1 KV head</td><td class=\"text\">n</td>"
                               "<td>1.200e-07</td><td>1.164e-07 to 1.236e-07</td>"));
  EXPECT_THAT(*page, HasSubstr("<summary>Raw data</summary>"));
  const MarkupScan scan = ScanMarkup(*page);
  EXPECT_EQ(scan.fault, "");
  EXPECT_THAT(scan.outside, IsEmpty());
  EXPECT_EQ(std::set<std::string>(scan.ids.begin(), scan.ids.end()).size(), scan.ids.size());
}

TEST(ScalePageTest, SaysWhatWasNotMeasured) {
  const FakeProgram program("exit 1");  // nothing to draw, so never run
  const absl::StatusOr<std::string> page = ScalePage({}, With(program));
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(Count(*page, "Not measured in this run."), 6);
  EXPECT_EQ(ScanMarkup(*page).fault, "");
}

TEST(ScalePageTest, CountsWhatCannotBeDrawn) {
  const FakeProgram program(kDrawsSomething);
  ScaleReportData data;
  ScaleCurves memory;
  memory.series = {{"cache", {{128, {1, 1, 1}}, {256, {0, 0, 0}}, {512, {kNone}}}, {}}};
  memory.note = "A note.";
  data.memory_bytes = {memory};
  const absl::StatusOr<std::string> page = ScalePage(data, With(program));
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(*page, HasSubstr("A note. Not shown: 2 values that have no place on these axes."));
}

TEST(ScalePageTest, WithoutGnuplotThereIsNoPage) {
  PlotOptions options;
  options.program = "plumbline-has-no-such-program";
  EXPECT_EQ(ScalePage(ScaleDemo(), options).status().code(), absl::StatusCode::kFailedPrecondition);
  const FakeProgram fails("exit 1");
  EXPECT_EQ(ScalePage(ScaleDemo(), With(fails)).status().code(), absl::StatusCode::kInternal);
}

TEST(ScalePageTest, GnuplotsPageIsSelfContained) {
  if (!HasGnuplot()) GTEST_SKIP() << "SKIPPED: no gnuplot here (Debian: gnuplot-nox)";
  const absl::StatusOr<std::string> page = ScalePage(ScaleDemo());
  ASSERT_TRUE(page.ok()) << page.status();
  const MarkupScan scan = ScanMarkup(*page);
  EXPECT_EQ(scan.fault, "");
  EXPECT_THAT(scan.outside, IsEmpty());
  const std::set<std::string> ids(scan.ids.begin(), scan.ids.end());
  EXPECT_EQ(ids.size(), scan.ids.size());
  for (const std::string& id : scan.references) EXPECT_EQ(ids.count(id), 1u) << id;
  for (const char* text :
       {"memory 29 GB/s", "bf16 matrices 441 GFLOP/s", "f32 attention 221 GFLOP/s",
        "weighted values", "within 10%", "stored scores", "MQA, 1 KV head", "prefill 128"}) {
    EXPECT_THAT(*page, HasSubstr(text));
  }
  EXPECT_THAT(*page, Not(HasSubstr("<script")));
}

}  // namespace
}  // namespace plumbline::scale_page_test
