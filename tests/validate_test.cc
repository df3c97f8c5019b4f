// The grid and its statistics, on samples made by hand.
#include "tools/validate.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/made_profile.h"
#include "tools/table.h"

namespace plumbline::validate_test {
namespace {

using testing::HasSubstr;

TEST(ValidateGridTest, CoversWhatItPromises) {
  const Grid grid = MakeGrid(false, "");
  std::set<std::string> names;
  size_t held_out = 0;
  size_t longest_batch = 0;
  int64_t longest = 0;
  for (const GridPoint& point : grid.points) {
    EXPECT_TRUE(names.insert(point.name).second) << point.name;
    EXPECT_EQ(point.held_out, IsHeldOut(point.name));
    ASSERT_LT(static_cast<size_t>(point.model), grid.models.size());
    held_out += point.held_out ? 1 : 0;
    longest_batch = std::max(longest_batch, point.spans.size());
    for (const SpanShape& span : point.spans) longest = std::max(longest, span.first + span.count);
  }
  EXPECT_EQ(longest_batch, 41u);  // 40 streams and a prompt
  EXPECT_EQ(longest, 16384);
  // A half, give or take what hashing does to some 400 names.
  EXPECT_GT(held_out, grid.points.size() * 2 / 5);
  EXPECT_LT(held_out, grid.points.size() * 3 / 5);
}

TEST(ValidateGridTest, QuickAndOnlyMakeItSmaller) {
  const Grid quick = MakeGrid(true, "");
  EXPECT_LT(quick.points.size(), MakeGrid(false, "").points.size() / 3);
  const Grid only = MakeGrid(false, "gpt2-small f32");
  ASSERT_EQ(only.models.size(), 1u);
  for (const GridPoint& point : only.points) EXPECT_THAT(point.name, HasSubstr("gpt2-small f32"));
  EXPECT_TRUE(MakeGrid(false, "no such step").points.empty());
}

TEST(ValidateGridTest, SequencesTakeWholeBlocks) {
  GridPoint point;
  point.spans = {{0, 1, 1}, {15, 1, 1}, {16, 1, 1}, {100, 60, 1}};
  EXPECT_EQ(point.cache_tokens(16), 16 + 16 + 32 + 160);
}

// A point that took `seconds`, and was predicted to take one second.
ValidatedPoint Point(const std::string& name, const std::vector<double>& seconds, bool held_out) {
  ValidatedPoint point;
  point.point.name = absl::StrCat(name, " decode 1 x 16");
  point.point.held_out = held_out;
  for (const double value : seconds) {
    ValidateSample sample;
    sample.seconds = value;
    sample.predicted.classes[0].compute_seconds = 1;
    point.samples.push_back(sample);
  }
  return point;
}

TEST(ValidateStatisticsTest, ErrorsAreMediansOfRatios) {
  const ValidatedPoint point = Point("a", {0.5, 2, 0.8}, false);
  EXPECT_DOUBLE_EQ(point.Error(), 1 / 0.8 - 1);
  EXPECT_DOUBLE_EQ(point.MedianSeconds(), 0.8);
  EXPECT_DOUBLE_EQ(point.MedianPredicted(), 1);
}

TEST(ValidateStatisticsTest, BothHalvesAreSummedUp) {
  ValidateRun run;
  run.profile = MadeProfile(1e11, 1e10, 1e5);
  run.points = {Point("a", {1}, false), Point("b", {2}, false), Point("c", {0.8}, true)};
  run.left_out = {{"d decode 32 x 16,384", "no room"}};
  const auto all = SummarizeErrors(run, [](const ValidatedPoint&) { return true; });
  EXPECT_EQ(all.points, 3);
  EXPECT_DOUBLE_EQ(all.median, 0.25);
  EXPECT_DOUBLE_EQ(all.p90, 0.25 + 0.8 * 0.25);
  const auto held = SummarizeErrors(run, [](const ValidatedPoint& p) { return p.point.held_out; });
  EXPECT_EQ(held.points, 1);
  EXPECT_DOUBLE_EQ(held.median, 0.25);
  const std::string report = ValidateReport(run);
  EXPECT_THAT(report, HasSubstr("no room"));
  EXPECT_THAT(report, HasSubstr("missed"));
  for (const absl::string_view line : absl::StrSplit(report, '\n')) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
  }
  const auto json = nlohmann::json::parse(ValidateJson(run));
  EXPECT_EQ(json.at("points").size(), 3u);
  EXPECT_DOUBLE_EQ(json.at("all").at("median"), 0.25);
  EXPECT_EQ(json.at("left_out")[0].at("reason"), "no room");
}

TEST(ValidateStatisticsTest, ARunWithoutPointsCanBeShown) {
  ValidateRun run;
  run.interrupted = true;
  EXPECT_THAT(ValidateReport(run), HasSubstr("Interrupted"));
  EXPECT_TRUE(nlohmann::json::parse(ValidateJson(run)).at("points").empty());
}

}  // namespace
}  // namespace plumbline::validate_test
