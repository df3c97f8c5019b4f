// Simulations at the rates that a real run's anchors had.
#include "tools/load_anchors.h"

#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/replacing_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/hand_made_load.h"
#include "tests/support/made_profile.h"
#include "tests/support/manual_clock.h"
#include "tests/support/tiny_load.h"
#include "tools/load.h"
#include "tools/load_json.h"
#include "tools/load_metrics.h"
#include "tools/load_recorder.h"
#include "tools/machine_file.h"

namespace plumbline::load_anchors_test {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointwise;

constexpr Anchors kSlow = {1e8, 1e7};

// A file that no test run at the same time has.
std::string OwnFile(const std::string& what) {
  return absl::StrCat(testing::TempDir(), "/load-anchors-", what, "-",
                      testing::UnitTest::GetInstance()->current_test_info()->name(), ".json");
}

Anchors Times(double factor) {
  return {factor * kSlow.matmul_flops_per_second, factor * kSlow.read_bytes_per_second};
}

// Second by second from 1, at these multiples.
std::vector<AnchorMark> Marks(const std::vector<double>& factors, const Anchors& once = kSlow) {
  std::vector<AnchorMark> marks;
  for (const double factor : factors) {
    const auto seconds = static_cast<double>(marks.size() + 1);
    marks.push_back({seconds,
                     0.01,
                     {factor * once.matmul_flops_per_second, factor * once.read_bytes_per_second}});
  }
  return marks;
}

RepetitionRecord Between(const Anchors& before, const Anchors& after) {
  RepetitionRecord repetition;
  repetition.anchors_before = before;
  repetition.anchors_after = after;
  return repetition;
}

TEST(LoadAnchors, AreTheMeanOfWhatIsNotDiscarded) {
  LoadRecord record;
  record.repetitions = {Between(Times(1), Times(1.05)), Between(Times(1), Times(4)),
                        Between(Times(2), Times(1.95))};
  const auto mean = MeanAnchors(record);
  ASSERT_TRUE(mean.ok()) << mean.status();
  EXPECT_DOUBLE_EQ(mean->matmul_flops_per_second, 1.5 * kSlow.matmul_flops_per_second);
  EXPECT_DOUBLE_EQ(mean->read_bytes_per_second, 1.5 * kSlow.read_bytes_per_second);
}

TEST(LoadAnchors, ARunThatDriftedSaysThatItIsDiscarded) {
  LoadRecord record;
  record.repetitions = {Between(Times(1), Times(1.2))};
  EXPECT_EQ(MeanAnchors(record).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(MeanAnchors(record).status().message()), HasSubstr("discarded"));
  record.repetitions = {RepetitionRecord()};
  EXPECT_THAT(std::string(MeanAnchors(record).status().message()), HasSubstr("no anchors"));
}

// Everything at once to a machine of compute alone: the last answer comes in half the time.
absl::StatusOr<double> EndSeconds(const std::string& anchors_of) {
  LoadOptions options = TinyModelLoad();
  options.requests = 12;
  options.arrivals = "all";
  options.simulate = true;
  options.json = true;
  options.machine = OwnFile("profile");
  options.anchors_of = anchors_of;
  absl::Status saved = SaveMachineProfile(MadeProfile(1e8, kNoLimit, kNoLimit), options.machine);
  if (!saved.ok()) return saved;
  std::ostringstream out;
  if (absl::Status status = RunLoad(options, out); !status.ok()) return status;
  const auto file = ParseLoadJson(out.str());
  if (!file.ok()) return file.status();
  return file->record.repetitions.at(0).end_seconds;
}

std::string RecordedRun(double before, double after, const std::vector<double>& through = {}) {
  const Anchors of_profile = MadeProfile(1e8, kNoLimit, kNoLimit).anchors;
  const auto at = [&](double factor) {
    return Anchors{factor * of_profile.matmul_flops_per_second, of_profile.read_bytes_per_second};
  };
  LoadRecord record = HandMadeHead();
  record.repetitions = {Between(at(before), at(after))};
  record.repetitions[0].anchor_marks = Marks(through, of_profile);
  for (AnchorMark& mark : record.repetitions[0].anchor_marks) {
    mark.anchors.read_bytes_per_second = of_profile.read_bytes_per_second;
  }
  const std::string path = OwnFile("run");
  EXPECT_TRUE(ReplaceFile(path, LoadJson(record, {}, ComputeMetrics(record, {}), nullptr)).ok());
  return path;
}

TEST(LoadAnchors, AreTakenBetweenStepsWhileTheRunsClockStandsStill) {
  ManualClock wall;
  wall.Advance(100);
  LoadClock clock(wall);
  LoadRecorder recorder(nullptr);
  AnchorPlan plan;
  plan.every_seconds = 2;
  int taken = 0;
  plan.measure = [&] {
    wall.Advance(0.25);
    return Times(++taken);
  };
  AnchorWatch watch(plan, clock, recorder);
  for (int step = 0; step < 10; ++step) {
    wall.Advance(0.75);
    watch.BetweenSteps();
  }
  EXPECT_DOUBLE_EQ(clock.NowSeconds(), 7.5);
  const std::vector<AnchorMark> marks = recorder.Take().anchor_marks;
  // The first after 2 s, the next 2 s or more behind it.
  EXPECT_THAT(marks, ElementsAre(AnchorMark{2.25, 0.25, Times(1)}, AnchorMark{4.5, 0.25, Times(2)},
                                 AnchorMark{6.75, 0.25, Times(3)}));
}

TEST(LoadAnchors, AreNotTakenWhereNothingMeasures) {
  ManualClock wall;
  LoadClock clock(wall);
  LoadRecorder recorder(nullptr);
  AnchorWatch watch({}, clock, recorder);
  wall.Advance(10);
  watch.BetweenSteps();
  EXPECT_TRUE(recorder.Take().anchor_marks.empty());
}

TEST(LoadAnchors, OneDisturbedMarkAmongItsNeighboursIsPassedOver) {
  const std::vector<AnchorMark> marks = Marks({1, 1.02, 0.4, 1.04, 1.06, 1.08});
  std::vector<double> smooth;
  for (const AnchorMark& mark : SmoothMarks(marks)) {
    smooth.push_back(mark.anchors.read_bytes_per_second / kSlow.read_bytes_per_second);
  }
  EXPECT_THAT(smooth, Pointwise(DoubleNear(1e-9), {1.0, 1.01, 1.02, 1.04, 1.05, 1.06}));
  RepetitionRecord repetition;
  repetition.anchor_marks = marks;
  EXPECT_NEAR(AnchorDrift(repetition), 0.06, 1e-9);
  repetition.anchor_marks = Marks({1, 1, 1, 1.2, 1.2, 1.2});  // and back before the end
  EXPECT_NEAR(AnchorDrift(repetition), 0.2, 1e-9);
}

TEST(LoadAnchors, AProfileIsThatOfTheNearestMark) {
  const MachineProfile profile = MadeProfile(1e8, kNoLimit, kNoLimit);
  const double rate = profile.rows.rms_norm.per_second;
  const AnchoredProfile steps(profile, Marks({1, 1, 1, 3, 3, 3}, profile.anchors));
  EXPECT_DOUBLE_EQ(steps.At(0).rows.rms_norm.per_second, rate);
  EXPECT_DOUBLE_EQ(steps.At(3.5).rows.rms_norm.per_second, rate);  // as near to both
  EXPECT_DOUBLE_EQ(steps.At(3.6).rows.rms_norm.per_second, 3 * rate);
  EXPECT_DOUBLE_EQ(steps.At(99).rows.rms_norm.per_second, 3 * rate);
  EXPECT_EQ(AnchoredProfile(profile, {}).At(5), profile);
}

TEST(LoadAnchors, ScaleTheSimulationsRates) {
  const auto as_profiled = EndSeconds("");
  const auto twice = EndSeconds(RecordedRun(1.95, 2.05));
  ASSERT_TRUE(as_profiled.ok()) << as_profiled.status();
  ASSERT_TRUE(twice.ok()) << twice.status();
  EXPECT_GT(*as_profiled, 0);
  EXPECT_NEAR(*twice, *as_profiled / 2, 1e-6 * *as_profiled);
}

TEST(LoadAnchors, TheSimulationFollowsThoseTakenThroughTheRun) {
  const auto as_profiled = EndSeconds("");
  const auto faster = EndSeconds(RecordedRun(1, 1, {1.08, 1.08, 1.08}));
  ASSERT_TRUE(as_profiled.ok()) << as_profiled.status();
  ASSERT_TRUE(faster.ok()) << faster.status();
  EXPECT_NEAR(*faster, *as_profiled / 1.08, 1e-6 * *as_profiled);
}

TEST(LoadAnchors, NoSimulationIsMadeOfADiscardedRun) {
  EXPECT_EQ(EndSeconds(RecordedRun(1, 1, {1, 1, 1, 1.2, 1.2, 1.2})).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const auto drifted = EndSeconds(RecordedRun(1, 1.2));
  EXPECT_EQ(drifted.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(drifted.status().message()), HasSubstr(OwnFile("run")));
}

}  // namespace
}  // namespace plumbline::load_anchors_test
