// Simulations at the rates that a real run's anchors had.
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/replacing_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/hand_made_load.h"
#include "tests/support/made_profile.h"
#include "tests/support/tiny_load.h"
#include "tools/load.h"
#include "tools/load_json.h"
#include "tools/load_metrics.h"
#include "tools/machine_file.h"

namespace plumbline::load_anchors_test {
namespace {

using testing::HasSubstr;

constexpr Anchors kSlow = {1e8, 1e7};

// A file that no test run at the same time has.
std::string OwnFile(const std::string& what) {
  return absl::StrCat(testing::TempDir(), "/load-anchors-", what, "-",
                      testing::UnitTest::GetInstance()->current_test_info()->name(), ".json");
}

Anchors Times(double factor) {
  return {factor * kSlow.matmul_flops_per_second, factor * kSlow.read_bytes_per_second};
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

std::string RecordedRun(double before, double after) {
  const Anchors of_profile = MadeProfile(1e8, kNoLimit, kNoLimit).anchors;
  const auto at = [&](double factor) {
    return Anchors{factor * of_profile.matmul_flops_per_second, of_profile.read_bytes_per_second};
  };
  LoadRecord record = HandMadeHead();
  record.repetitions = {Between(at(before), at(after))};
  const std::string path = OwnFile("run");
  EXPECT_TRUE(ReplaceFile(path, LoadJson(record, {}, ComputeMetrics(record, {}), nullptr)).ok());
  return path;
}

TEST(LoadAnchors, ScaleTheSimulationsRates) {
  const auto as_profiled = EndSeconds("");
  const auto twice = EndSeconds(RecordedRun(1.95, 2.05));
  ASSERT_TRUE(as_profiled.ok()) << as_profiled.status();
  ASSERT_TRUE(twice.ok()) << twice.status();
  EXPECT_GT(*as_profiled, 0);
  EXPECT_NEAR(*twice, *as_profiled / 2, 1e-6 * *as_profiled);
}

TEST(LoadAnchors, NoSimulationIsMadeOfADiscardedRun) {
  const auto drifted = EndSeconds(RecordedRun(1, 1.2));
  EXPECT_EQ(drifted.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(drifted.status().message()), HasSubstr(OwnFile("run")));
}

}  // namespace
}  // namespace plumbline::load_anchors_test
