// The measuring loop, with a clock and a runner that do as they are told.
#include "tools/scale_run.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/manual_clock.h"

namespace plumbline::scale_run_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Each point takes the seconds that its tokens say, times 1 + noise of [0, noise).
class FakeRunner final : public PointRunner {
 public:
  explicit FakeRunner(ManualClock& clock) : clock_(clock) {}
  absl::StatusOr<ScaleSample> Run(const ScalePoint& point) override {
    runs.push_back(point.tokens);
    if (point.tokens == no_room_for) return absl::ResourceExhaustedError("8 blocks, 4 are free");
    if (static_cast<int64_t>(runs.size()) == fail_at) return absl::InternalError("broken");
    ScaleSample sample;
    double factor = 1 + noise * std::uniform_real_distribution<double>()(random_);
    if (cold_runs[point.tokens] > 0) {
      --cold_runs[point.tokens];
      factor *= 10;
    }
    sample.seconds = static_cast<double>(point.tokens) * factor;
    clock_.Advance(sample.seconds);
    return sample;
  }
  Anchors MeasureAnchors() override {
    ++anchors;
    return {static_cast<double>(anchors), 1};
  }

  std::vector<int64_t> runs;
  std::map<int64_t, int> cold_runs;  // by tokens: how many of the first take ten times as long
  double noise = 0;
  int64_t no_room_for = -1;
  int64_t fail_at = -1;  // counted from 1
  int anchors = 0;

 private:
  ManualClock& clock_;
  std::mt19937_64 random_{7};
};

class ScaleRunTest : public testing::Test {
 protected:
  ScaleRunTest() {
    for (const int64_t tokens : {1, 4, 2}) {
      ScalePoint point;
      point.sweep = ScaleSweep::kPrefill;
      point.model = "m";
      point.shape = CostShape{1, 1, 1, 1, 1, 1, 1, 1};
      point.tokens = tokens;
      point.chunk = tokens;
      data_.points.push_back(point);
    }
    options_.until_seconds = 1e9;
    options_.most_repetitions = 10;
    options_.stop.relative_half_width = 1e-9;
  }

  absl::Status Measure() {
    return MeasurePoints(options_, {0, 1, 2}, runner_, clock_, hooks_, data_, left_out_);
  }
  // Samples of each point.
  std::map<int64_t, int> Counts() const {
    std::map<int64_t, int> counts;
    for (const ScaleSample& sample : data_.samples) ++counts[sample.point];
    return counts;
  }

  ManualClock clock_;
  FakeRunner runner_{clock_};
  ScaleLoopOptions options_;
  ScaleLoopHooks hooks_;
  ScaleData data_;
  std::vector<std::string> left_out_;
};

TEST_F(ScaleRunTest, RoundsRunEveryPointOnceInAnOrderOfTheirOwn) {
  runner_.noise = 0.5;  // never precise
  ASSERT_TRUE(Measure().ok());
  EXPECT_THAT(data_.samples, SizeIs(30));
  std::set<std::vector<int64_t>> orders;
  for (size_t round = 0; round < 10; ++round) {
    std::vector<int64_t> order;
    for (size_t i = 0; i < 3; ++i) {
      const ScaleSample& sample = data_.samples[3 * round + i];
      EXPECT_EQ(sample.repetition, static_cast<int>(round));
      EXPECT_EQ(sample.anchors.matmul_flops_per_second, static_cast<double>(round + 1));
      order.push_back(sample.point);
    }
    orders.insert(order);
    std::sort(order.begin(), order.end());
    EXPECT_THAT(order, ElementsAre(0, 1, 2));
  }
  EXPECT_GT(orders.size(), 1U);
  for (size_t i = 1; i < data_.samples.size(); ++i) {
    EXPECT_GE(data_.samples[i].start_seconds,
              data_.samples[i - 1].start_seconds + data_.samples[i - 1].seconds - 1e-9);
  }
}

TEST_F(ScaleRunTest, PrecisePointsStopAndOthersGoOn) {
  options_.stop.relative_half_width = 0.02;
  options_.most_repetitions = 50;
  ASSERT_TRUE(Measure().ok());  // without noise all stop as early as a rule can
  for (const auto& [point, count] : Counts()) EXPECT_EQ(count, options_.stop.least) << point;
  data_.samples.clear();
  runner_.noise = 0.5;
  ASSERT_TRUE(Measure().ok());
  for (const auto& [point, count] : Counts()) EXPECT_GT(count, options_.stop.least) << point;
}

TEST_F(ScaleRunTest, WarmUpGoesOnUntilTimesAreStable) {
  runner_.cold_runs[1] = 3;
  ASSERT_TRUE(Measure().ok());
  for (const ScaleSample& sample : data_.samples) {
    EXPECT_EQ(sample.seconds,
              static_cast<double>(data_.points[static_cast<size_t>(sample.point)].tokens));
  }
  EXPECT_GE(std::count(runner_.runs.begin(), runner_.runs.end(), 1), options_.stop.least + 4);
}

TEST_F(ScaleRunTest, NothingBeginsThatWouldEndTooLate) {
  runner_.noise = 0.01;
  options_.until_seconds = 60;
  options_.most_repetitions = 1000;
  ASSERT_TRUE(Measure().ok());
  EXPECT_LE(clock_.NowSeconds(), 60 + 0.05);
  EXPECT_GT(clock_.NowSeconds(), 58);  // the cheapest point fills what the others cannot use
  EXPECT_THAT(Counts(), SizeIs(3));
  EXPECT_THAT(left_out_, IsEmpty());
}

TEST_F(ScaleRunTest, PointsForWhichThereIsNoTimeAreNamed) {
  options_.until_seconds = 6;  // 3 s are left for the point of 4 s
  ASSERT_TRUE(Measure().ok());
  EXPECT_THAT(left_out_,
              ElementsAre(testing::AllOf(HasSubstr("4 tokens"), HasSubstr("--minutes"))));
  EXPECT_EQ(Counts().count(1), 0U);
  EXPECT_GT(Counts()[0], 0);
}

TEST_F(ScaleRunTest, PointsWithoutRoomAreNamedAndOthersRun) {
  runner_.no_room_for = 2;
  ASSERT_TRUE(Measure().ok());
  EXPECT_THAT(left_out_, ElementsAre(HasSubstr("8 blocks, 4 are free")));
  EXPECT_EQ(Counts().size(), 2U);
}

TEST_F(ScaleRunTest, ErrorsEndTheLoopAndKeepWhatThereIs) {
  runner_.fail_at = 20;
  EXPECT_EQ(Measure().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(data_.samples, testing::Not(IsEmpty()));
}

TEST_F(ScaleRunTest, AnInterruptedLoopGoesOnWhereItStopped) {
  runner_.noise = 0.5;
  hooks_.cancelled = [this] { return runner_.runs.size() >= 22; };
  EXPECT_TRUE(absl::IsCancelled(Measure()));
  const size_t before = data_.samples.size();
  EXPECT_GT(before, 0U);
  EXPECT_LT(before, 30U);
  hooks_.cancelled = nullptr;
  ASSERT_TRUE(Measure().ok());
  for (const auto& [point, count] : Counts()) EXPECT_EQ(count, 10) << point;
  std::set<std::pair<int64_t, int>> pairs;
  for (const ScaleSample& sample : data_.samples) {
    EXPECT_TRUE(pairs.insert({sample.point, sample.repetition}).second) << "twice";
  }
}

TEST_F(ScaleRunTest, ProgressNeverGoesBackAndEndsBeforeOne) {
  double last = 0;
  hooks_.progress = [&last](double part) {
    EXPECT_GE(part, last);
    EXPECT_LE(part, 1);
    last = part;
  };
  options_.until_seconds = 200;
  ASSERT_TRUE(Measure().ok());
  EXPECT_GT(last, 0.5);
}

TEST_F(ScaleRunTest, AFailingSaveEndsTheLoop) {
  hooks_.after_round = [] { return absl::ResourceExhaustedError("disk full"); };
  EXPECT_EQ(Measure().message(), "disk full");
  EXPECT_THAT(data_.samples, SizeIs(3));
}

TEST(OffsetClockTest, StartsAtItsOffset) {
  ManualClock clock;
  clock.Advance(100);
  const OffsetClock offset(clock, 7);
  EXPECT_EQ(offset.NowSeconds(), 7);
  clock.Advance(1);
  EXPECT_EQ(offset.NowSeconds(), 8);
}

}  // namespace
}  // namespace plumbline::scale_run_test
