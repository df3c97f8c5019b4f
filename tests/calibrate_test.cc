// The warnings of a calibration, its report, and one that really runs, as short as can be.
#include "tools/calibrate.h"

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/made_profile.h"
#include "tools/machine_file.h"
#include "tools/table.h"

namespace plumbline::calibrate_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

MachineMeasurement Calm() {
  MachineMeasurement measurement;
  measurement.profile = MadeProfile(1e11, 1e10, 1e5);
  measurement.repetitions = 9;
  measurement.matmul_flops_per_second = {5, 5, 5, 5, 5, 5, 5, 5, 5};
  return measurement;
}

MachineConditions Good() {
  MachineConditions conditions;
  conditions.threads = conditions.online_cpus = conditions.allowed_cpus = 2;
  return conditions;
}

TEST(CalibrationWarningsTest, ACalmMachineHasNone) {
  EXPECT_THAT(CalibrationWarnings(Calm(), Good()), IsEmpty());
}

TEST(CalibrationWarningsTest, EachTroubleHasItsOwn) {
  MachineMeasurement noisy = Calm();
  for (MatmulRates& m : noisy.profile.matmuls) {
    m.narrow_macs.spread = m.square_macs.spread = m.wide_macs.spread = m.streamed_bytes.spread =
        0.5;
  }
  for (AttentionRates& a : noisy.profile.attention) {
    a.score_macs.spread = a.value_macs.spread = a.softmax_pairs.spread = 0.5;
  }
  EXPECT_THAT(CalibrationWarnings(noisy, Good()), ElementsAre(HasSubstr("noisy")));
  MachineMeasurement throttled = Calm();
  throttled.matmul_flops_per_second = {5, 5, 5, 4, 4, 4, 4, 4, 4};
  EXPECT_THAT(CalibrationWarnings(throttled, Good()), ElementsAre(HasSubstr("fell by 20%")));
  MachineMeasurement short_one = Calm();
  short_one.repetitions = 3;
  EXPECT_THAT(CalibrationWarnings(short_one, Good()), ElementsAre(HasSubstr("only 3")));
  MachineConditions conditions = Good();
  conditions.steal_share = 0.2;
  EXPECT_THAT(CalibrationWarnings(Calm(), conditions), ElementsAre(HasSubstr("20%")));
  conditions = Good();
  conditions.quota_cpus = 1.5;
  EXPECT_THAT(CalibrationWarnings(Calm(), conditions), ElementsAre(HasSubstr("allows 1.5 CPUs")));
  conditions = Good();
  conditions.online_cpus = 8;
  EXPECT_THAT(CalibrationWarnings(Calm(), conditions), ElementsAre(HasSubstr("2 of 8")));
  conditions = Good();
  conditions.threads = 4;
  EXPECT_THAT(CalibrationWarnings(Calm(), conditions), ElementsAre(HasSubstr("4 threads share 2")));
}

TEST(CalibrateReportTest, FitsTheTerminal) {
  MachineMeasurement measurement = Calm();
  measurement.profile.cpu_model = std::string(100, 'x') + "\033[2J";
  const std::string report =
      CalibrateReport(measurement, {std::string("one ") + "warning"}, "/a/path");
  for (const absl::string_view line : absl::StrSplit(report, '\n')) {
    if (line.find("xxx") == absl::string_view::npos) {
      EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
    }
  }
  EXPECT_THAT(report, HasSubstr("Warning: one warning."));
  EXPECT_THAT(report, testing::Not(HasSubstr("\033")));
}

TEST(RunCalibrateTest, MeasuresAndLeavesAProfileThatLoads) {
  CalibrateOptions options;
  options.threads = 1;
  options.seconds = 0.01;
  options.output = testing::TempDir() + "calibrate_test_machine.json";
  options.json = true;
  std::ostringstream out;
  const absl::Status status = RunCalibrate(options, out);
  ASSERT_TRUE(status.ok()) << status;
  const auto json = nlohmann::json::parse(out.str());
  EXPECT_EQ(json.at("threads"), 1);
  EXPECT_GE(json.at("repetitions"), 3);
  EXPECT_EQ(json.at("path"), options.output);
  const auto profile = LoadMachineProfile(options.output, 1);
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_TRUE(profile->Validate().ok());
  std::filesystem::remove(options.output);
}

}  // namespace
}  // namespace plumbline::calibrate_test
