// A load test's page and its pictures.
#include "tools/load_page.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/gnuplot.h"
#include "tests/support/hand_made_load.h"
#include "tests/support/markup.h"
#include "tools/load_charts.h"

namespace plumbline::load_page_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

absl::StatusOr<std::string> PageOf(const LoadRecord& record, const PlotOptions& options) {
  const LoadSlo slo = *ParseSlo("ttft=10");
  return LoadPage(record, slo, ComputeMetrics(record, slo), options);
}

int CountOf(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// `count` requests like the whole one of HandMadeLoad, the n-th with n seconds more in the queue.
LoadRecord ManyRequests(int count) {
  LoadRecord record = HandMadeLoad();
  std::vector<RequestRecord>& requests = record.repetitions[0].requests;
  const RequestRecord one = requests[0];
  requests.assign(static_cast<size_t>(count), one);
  for (int i = 0; i < count; ++i) {
    requests[static_cast<size_t>(i)].id = i;
    requests[static_cast<size_t>(i)].intended_seconds -= i;
  }
  record.repetitions[0].warm_up_seconds = -count;
  return record;
}

TEST(LoadCharts, LatenciesAreSharesInPercent) {
  const std::vector<LoadSamples> samples = {
      {"ttft", {3, 1, 2, 4}, {0, 0, 0, 0}}, {"queue", {1}, {0}}, {"itl", {}, {}}};
  const Chart chart = LatencyChart(samples);
  ASSERT_EQ(chart.series.size(), 1u);
  std::vector<double> shares;
  for (const ChartMark& mark : chart.series[0].marks) shares.push_back(mark.y);
  EXPECT_THAT(shares, ElementsAre(0, 25, 50, 75, 100));
  EXPECT_EQ(chart.series[0].marks[2].label, "first token");
  EXPECT_EQ(chart.series[0].marks[2].x, 2);
}

TEST(LoadCharts, ManyLatenciesAreThinnedButNotTheirTail) {
  LoadSamples samples = {"itl", {}, {}};
  for (int i = 100000; i > 0; --i) {
    samples.values.push_back(i);
    samples.rounds.push_back(0);
  }
  const std::vector<ChartMark> marks = LatencyChart({samples}).series.at(0).marks;
  EXPECT_LE(marks.size(), 1011u);
  for (size_t i = 1; i < marks.size(); ++i) EXPECT_NEAR(marks[i].y, marks[i].x / 1000, 1e-9);
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(marks[marks.size() - 1 - i].x, 100000 - static_cast<double>(i));
  }
}

TEST(LoadCharts, WaterfallShowsTheFastestToTheSlowest) {
  const std::vector<FirstTokenTime> times = FirstTokenTimes(ManyRequests(121));
  ASSERT_EQ(times.size(), 121u);
  EXPECT_EQ(times.front().request, 0);
  EXPECT_EQ(times.front().ttft, 7.5);
  EXPECT_THAT(times.front().parts, ElementsAre(0.5, 4, 2.5, 0.5));
  EXPECT_EQ(times.back().request, 120);
  const Chart chart = WaterfallChart(times);
  ASSERT_EQ(chart.series.size(), 4u);
  for (const ChartSeries& series : chart.series) {
    EXPECT_EQ(series.boxes.size(), kMostWaterfallBars);
    EXPECT_THAT(series.label, HasSubstr("%"));
  }
  // Bars are the time to the first token.
  EXPECT_EQ(chart.series[3].boxes.front().y_high, 7.5);
  EXPECT_EQ(chart.series[3].boxes.back().y_high, 127.5);
  EXPECT_EQ(chart.series[0].boxes.back().y_high, 120.5);
}

TEST(LoadCharts, StallsAreTheLongestGapsOfTheirTime) {
  const LoadRecord record = HandMadeLoad();
  const std::vector<StallPart> stalls = FindStalls(record.repetitions[0]);
  // Gaps end at 4, 4.5, 9, 11 and 12; each in a part of its own (14 s / 80 each).
  ASSERT_EQ(stalls.size(), 5u);
  const auto worst = std::max_element(
      stalls.begin(), stalls.end(),
      [](const StallPart& a, const StallPart& b) { return a.longest < b.longest; });
  EXPECT_EQ(worst->longest, 2);
  EXPECT_EQ(worst->seconds, 11);
  EXPECT_EQ(worst->request, 0);
  const Chart chart = StallChart(stalls, 1.5);
  ASSERT_EQ(chart.series.size(), 3u);
  EXPECT_EQ(chart.series[0].label, "target");
  EXPECT_THAT(StallChart({}, 1.5).series[0].marks, IsEmpty());
}

TEST(LoadCharts, LongRunsAreDrawnAsMeans) {
  Levels levels;
  // Ten times up and down in each part.
  for (int i = 0; i < 20 * kLevelParts; ++i) {
    levels.push_back({0.01 * i, static_cast<double>(i % 2)});
  }
  const Chart chart = CacheChart(levels, 2, 0.01 * 20 * kLevelParts);
  EXPECT_LE(chart.series.at(0).marks.size(), static_cast<size_t>(kLevelParts) + 2);
  EXPECT_NEAR(chart.series[0].marks[kLevelParts / 2].y, 25, 1e-9);
}

TEST(LoadPage, HasEverySectionAndPicture) {
  const FakeProgram program(kDrawsSomething);
  const auto page = PageOf(HandMadeLoad(), {.program = program.path()});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(CountOf(*page, "<svg"), 6);
  for (const char* text :
       {"Load on made &lt;by&gt; hand", "Warnings", "1 step was predicted to miss",
        "Time to the first token: 7.5 s at most.", "Of that time: 7% queue, 53% prefill",
        "25.00% of the requests met the goals ttft=10.", "All 1 requests", "In each of 80 equal",
        "2023-11-14 22:13 UTC", "The report as the terminal shows it", "max_running 2"}) {
    EXPECT_THAT(*page, HasSubstr(text));
  }
  const MarkupScan scan = ScanMarkup(*page);
  EXPECT_EQ(scan.fault, "");
  EXPECT_THAT(scan.outside, IsEmpty());
  EXPECT_EQ(std::set<std::string>(scan.ids.begin(), scan.ids.end()).size(), scan.ids.size());
}

TEST(LoadPage, SaysWhatIsNotThere) {
  const FakeProgram program(kDrawsSomething);
  const auto empty = PageOf({}, {.program = program.path()});
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ(CountOf(*empty, "<svg"), 0);
  EXPECT_THAT(*empty, HasSubstr("Nothing ran."));
  EXPECT_EQ(ScanMarkup(*empty).fault, "");
  // A server that tells no steps.
  LoadRecord record = HandMadeLoad();
  RepetitionRecord& repetition = record.repetitions[0];
  repetition.steps.clear();
  for (RequestRecord& request : repetition.requests) {
    request.first_scheduled_seconds = -1;
    request.chunks.clear();
    request.preemptions.clear();
  }
  const auto page = PageOf(record, {.program = program.path()});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(*page, HasSubstr("The target tells no steps."));
  EXPECT_THAT(*page, Not(HasSubstr("Of that time")));
}

TEST(LoadPage, SaysWhichRepetitionAndRequestsItShows) {
  const FakeProgram program(kDrawsSomething);
  LoadRecord record = ManyRequests(90);
  record.repetitions.push_back(record.repetitions[0]);
  record.repetitions[0].anchors_before = Anchors{1e11, 1e10};
  record.repetitions[0].anchors_after = Anchors{1.5e11, 1e10};
  record.repetitions[1].interrupted = true;
  const auto page = PageOf(record, {.program = program.path()});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(*page, HasSubstr("These pictures show repetition 2 of 2."));
  EXPECT_THAT(*page, HasSubstr("60 of 90 requests, chosen evenly"));
  EXPECT_THAT(*page, HasSubstr("Drift: the machine&#39;s anchors changed by 50%"));
  EXPECT_THAT(*page, HasSubstr("Interrupted: "));
  EXPECT_THAT(*page, HasSubstr("<td class=\"text\">2/89</td>"));
}

TEST(LoadPage, WithoutGnuplotThereIsNoPage) {
  EXPECT_EQ(PageOf(HandMadeLoad(), {.program = "plumbline-has-no-such-program"}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(LoadPage, GnuplotsPageIsSelfContained) {
  if (!HasGnuplot()) GTEST_SKIP() << "SKIPPED: no gnuplot here (Debian: gnuplot-nox)";
  const auto page = PageOf(ManyRequests(90), {});
  ASSERT_TRUE(page.ok()) << page.status();
  const MarkupScan scan = ScanMarkup(*page);
  EXPECT_EQ(scan.fault, "");
  EXPECT_THAT(scan.outside, IsEmpty());
  const std::set<std::string> ids(scan.ids.begin(), scan.ids.end());
  for (const std::string& id : scan.references) EXPECT_EQ(ids.count(id), 1u) << id;
  for (const char* text : {"first token", "between tokens", "running, at most", "waiting, at most",
                           "request 0: 2 s", "median", "target", "slowest"}) {
    EXPECT_THAT(*page, HasSubstr(text));
  }
  EXPECT_THAT(*page, Not(HasSubstr("<script")));
}

}  // namespace
}  // namespace plumbline::load_page_test
