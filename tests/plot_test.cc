#include "tools/plot.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/gnuplot.h"
#include "tests/support/markup.h"
#include "tools/chart_kinds.h"

namespace plumbline::plot_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr absl::string_view kOddTick = "it's <b> 100% \\n %d µ";
constexpr absl::string_view kOdd = "it's <b> & \"q\" \\n `date` $HOME %d {x}_2^3 @y 100% µé\nEND";

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

std::string Script(const Chart& chart) { return PlotScript(chart, LayOut(chart)); }

Chart OneSeries(const ChartSeries& series) {
  Chart chart;
  chart.title = "A title";
  chart.x = {.label = "Length", .unit = "tokens"};
  chart.y = {.label = "Time", .unit = "s"};
  chart.series = {series};
  return chart;
}

TEST(PlotScriptTest, PointsHaveIntervalsAndDataInPlace) {
  const std::string script = Script(OneSeries(
      {.label = "run", .shape = SeriesShape::kPoints, .marks = {{100, 2, 1, 4}, {200, 3}}}));
  EXPECT_THAT(script, HasSubstr("$d0 << END\n100 2 1 4\n200 3 3 3\nEND\n"));
  EXPECT_THAT(script, HasSubstr("$d0 using 1:3:(0):($4-$3) with vectors nohead"));
  EXPECT_THAT(script, HasSubstr("$d0 using 1:2 with points pointtype 7"));
  EXPECT_THAT(script, HasSubstr("set yrange [0:4]"));
  EXPECT_THAT(script, AllOf(HasSubstr("'Length (tokens)'"), HasSubstr("'Time (s)'")));
  EXPECT_THAT(script, Not(HasSubstr("logscale")));
}

TEST(PlotScriptTest, EachShapeIsDrawnItsOwnWay) {
  const std::vector<ChartMark> marks = {{1, 2, 1, 3}, {2, 3, 2, 4}};
  EXPECT_THAT(Script(OneSeries({.shape = SeriesShape::kLine, .marks = marks})),
              AllOf(HasSubstr("with lines"), Not(HasSubstr("with points"))));
  EXPECT_THAT(Script(OneSeries({.shape = SeriesShape::kLinePoints, .style = 1, .marks = marks})),
              AllOf(HasSubstr("with lines dashtype (10,5)"), HasSubstr("with points"),
                    HasSubstr("with vectors")));
  EXPECT_THAT(Script(OneSeries({.shape = SeriesShape::kSteps, .marks = marks})),
              HasSubstr("with steps"));
  EXPECT_THAT(Script(OneSeries({.shape = SeriesShape::kBand, .marks = marks})),
              AllOf(HasSubstr("\n1 1 3\n2 2 4\nEND"), HasSubstr("using 1:2:3 with filledcurves")));
  EXPECT_THAT(Script(OneSeries({.shape = SeriesShape::kBoxes, .boxes = {{0, 2, 0, 4}}})),
              AllOf(HasSubstr("\n1 2 0 2 0 4\nEND"), HasSubstr("with boxxyerror")));
}

TEST(PlotScriptTest, LogarithmicAxesLeaveOutWhatIsNotPositive) {
  Chart chart = OneSeries({.shape = SeriesShape::kLinePoints,
                           .marks = {{1, 10, 0, 20}, {2, 0}, {3, 100, kNoValue, kInfinity}}});
  chart.y.scale = AxisScale::kLog10;
  const std::string script = Script(chart);
  EXPECT_THAT(script, HasSubstr("set logscale y 10\n"));
  EXPECT_THAT(script, Not(HasSubstr("set logscale x")));
  // A blank line breaks the line; an interval down to zero ends at the axis.
  const std::string low = absl::StrCat(LayOut(chart).y.low).substr(0, 4);
  EXPECT_THAT(script, HasSubstr(absl::StrCat("<< END\n1 10 ", low)));
  EXPECT_THAT(script, HasSubstr(" 20\n\n3 100 100 100\nEND\n"));
}

TEST(PlotScriptTest, TextCannotLeaveItsQuotes) {
  Chart chart =
      OneSeries({.label = std::string(kOdd), .marks = {{1, 2, kNoValue, kNoValue, "o'1"}}});
  chart.x.label = std::string(kOdd);
  chart.y.ticks = {{2, std::string(kOddTick)}};
  const std::string script = Script(chart);
  EXPECT_THAT(script, HasSubstr("'it''s <b> & \"q\" \\n `date` $HOME %d {x}_2^3 @y 100% µé?END"));
  EXPECT_THAT(script, HasSubstr("'it''s <b> 100%% \\n %%d µ' 2"));  // a tick's label is a format
  EXPECT_THAT(script, HasSubstr("'o''1'"));
  EXPECT_THAT(script, HasSubstr(" noenhanced "));
}

TEST(PlotScriptTest, NothingToDrawIsSaid) {
  const std::string script = Script(OneSeries({.marks = {{kNoValue, 1}, {1, kInfinity}}}));
  EXPECT_THAT(script, AllOf(HasSubstr("'no data'"), HasSubstr("plot NaN notitle")));
  EXPECT_THAT(script, Not(HasSubstr("inf")));
}

PlotOptions With(const FakeProgram& program) {
  PlotOptions options;
  options.program = program.path();
  return options;
}

TEST(DrawChartTest, MakesTheProgramsPictureFitForAPage) {
  const FakeProgram program(kDrawsSomething);
  const absl::StatusOr<Picture> picture =
      DrawChart(OneSeries({.marks = {{1, 2}, {kNoValue, 2}}}), "p1", With(program));
  ASSERT_TRUE(picture.ok()) << picture.status();
  EXPECT_THAT(picture->svg, AllOf(HasSubstr("id=\"p1-a\""), HasSubstr(">A title</title>"),
                                  Not(HasSubstr("alert"))));
  EXPECT_EQ(picture->omitted, 1);
}

TEST(DrawChartTest, SaysWhatToInstall) {
  PlotOptions options;
  options.program = "plumbline-has-no-such-program";
  const absl::Status status = DrawChart({}, "p", options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("apt-get install gnuplot-nox"));
}

TEST(DrawChartTest, PassesOnWhatTheProgramComplainsOf) {
  const FakeProgram fails("echo 'line 3: what?' >&2; exit 1");
  const absl::Status status = DrawChart({}, "p", With(fails)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("line 3: what?"));
  const FakeProgram silent("cat > /dev/null");
  EXPECT_EQ(DrawChart({}, "p", With(silent)).status().code(), absl::StatusCode::kInternal);
  const FakeProgram cut("cat > /dev/null; echo '<svg viewBox=\"0 0 1 1\"><g>'");
  EXPECT_EQ(DrawChart({}, "p", With(cut)).status().code(), absl::StatusCode::kInternal);
}

TEST(DrawChartTest, DoesNotHang) {
  const FakeProgram hangs("sleep 600");
  PlotOptions options = With(hangs);
  options.time_limit = absl::Milliseconds(100);
  EXPECT_EQ(DrawChart({}, "p", options).status().code(), absl::StatusCode::kDeadlineExceeded);
}

std::vector<Chart> OneOfEachKind() {
  std::vector<Chart> charts;
  charts.push_back(SharesChart({{"128", "256"}, {"a", "b"}, {{1, 3}, {3, 1}}}));
  charts.push_back(
      RooflineChart(std::vector<RooflineWork>{{"a", "g", 100, 10, 2}}, {{{"f32", 400}}, 20}));
  const std::vector<PredictedSeries> pairs = {{"decode", 1, {{1, 1.05, 1.0, 1.1}, {10, 14}}}};
  charts.push_back(AgreementChart(pairs, 0.1, "time", "s"));
  charts.push_back(AgreementRatioChart(pairs, 0.1, "time", "s"));
  charts.push_back(OneSeries(EcdfSeries("a", 0, {3, 1, 2})));
  charts.push_back(OneSeries(HistogramSeries("a", 0, {3, 1, 2}, 2)));
  charts.push_back(TimelineChart({"r"}, std::vector<TimelineBar>{{0, 0, 1, 0}}, {.label = "Time"}));
  return charts;
}

std::vector<Chart> ChartsOfOddData(AxisScale scale) {
  std::vector<Chart> charts(1);  // wholly empty
  for (const std::vector<ChartMark>& marks : {std::vector<ChartMark>{},
                                              {{1, 1}},
                                              {{0, 0}},
                                              {{kNoValue, kInfinity}},
                                              {{1e-60, 1e60}, {1e60, 1e-60}},
                                              {{1e308, -1e308}, {1, 1, -kInfinity, kInfinity}}}) {
    Chart chart = OneSeries({.label = "odd", .marks = marks});
    chart.x.scale = chart.y.scale = scale;
    charts.push_back(chart);
  }
  return charts;
}

// As pictures of one page.
void ExpectSoundPictures(const std::vector<Chart>& charts) {
  std::set<std::string> ids;
  for (size_t i = 0; i < charts.size(); ++i) {
    const absl::StatusOr<Picture> picture = DrawChart(charts[i], absl::StrCat("p", i));
    ASSERT_TRUE(picture.ok()) << i << ": " << picture.status();
    const MarkupScan scan = ScanMarkup(picture->svg);
    EXPECT_EQ(scan.fault, "") << i;
    EXPECT_THAT(scan.outside, IsEmpty()) << i;
    for (const std::string& id : scan.ids) EXPECT_TRUE(ids.insert(id).second) << id;
    for (const std::string& id : scan.references) EXPECT_TRUE(ids.count(id) == 1) << id;
  }
}

TEST(DrawChartTest, GnuplotDrawsEveryKind) {
  if (!HasGnuplot()) GTEST_SKIP() << "SKIPPED: no gnuplot here (Debian: gnuplot-nox)";
  ExpectSoundPictures(OneOfEachKind());
}

class OddDataTest : public testing::TestWithParam<AxisScale> {};
TEST_P(OddDataTest, GnuplotDrawsIt) {
  if (!HasGnuplot()) GTEST_SKIP() << "SKIPPED: no gnuplot here (Debian: gnuplot-nox)";
  ExpectSoundPictures(ChartsOfOddData(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(Scales, OddDataTest,
                         testing::Values(AxisScale::kLinear, AxisScale::kLog10, AxisScale::kLog2));

TEST(DrawChartTest, GnuplotShowsOddTextAsItIs) {
  if (!HasGnuplot()) GTEST_SKIP() << "SKIPPED: no gnuplot here (Debian: gnuplot-nox)";
  Chart chart = OneSeries({.label = "s", .marks = {{1, 2, kNoValue, kNoValue, std::string(kOdd)}}});
  chart.x.label = std::string(kOdd);
  chart.y.ticks = {{2, std::string(kOddTick)}};
  const absl::StatusOr<Picture> picture = DrawChart(chart, "p");
  ASSERT_TRUE(picture.ok()) << picture.status();
  const std::string shown = "it's &lt;b> &amp; \"q\" \\n `date` $HOME %d {x}_2^3 @y 100% µé?END";
  EXPECT_EQ(Count(picture->svg, shown), 2);  // the axis and the mark
  EXPECT_EQ(Count(picture->svg, "it's &lt;b> 100% \\n %d µ<"), 1);
}

TEST(PlotScriptTest, LongTickLabelsAreCutBetweenCharacters) {
  Chart chart = OneSeries({.marks = {{1, 2}}});
  std::string wide;
  for (int i = 0; i < 40; ++i) wide += "€";  // three bytes each
  chart.y.ticks = {{2, wide}};
  EXPECT_THAT(Script(chart), AllOf(HasSubstr("€€€~' 2"), Not(HasSubstr(wide))));
}

}  // namespace
}  // namespace plumbline::plot_test
