// A simulation beside its real run: errors, verdicts, and runs that are not of one workload.
#include "tools/load_fidelity.h"

#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "engine/replacing_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/hand_made_load.h"
#include "tests/support/made_profile.h"
#include "tests/support/tiny_load.h"
#include "tools/load.h"
#include "tools/load_json.h"
#include "tools/machine_file.h"

namespace plumbline::load_fidelity_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Estimate Known(double value) { return {value, value, value}; }

// Throughput, median and 99th percentile of the gap, median and mean of the first token.
LoadMetrics Metrics(double output, double gap, double long_gap, double first, double mean_first) {
  LoadMetrics metrics;
  LoadDistribution gaps;
  gaps.name = "itl";
  gaps.percentiles[0] = Known(gap);
  gaps.percentiles[3] = Known(long_gap);
  LoadDistribution firsts;
  firsts.name = "ttft";
  firsts.percentiles[0] = Known(first);
  firsts.mean = Known(mean_first);
  metrics.distributions = {firsts, gaps};
  metrics.figures = {{"output", "tokens/s", 1, Known(output)}};
  return metrics;
}

TEST(LoadFidelity, SaysWhichTargetsAreKept) {
  const auto rows = FidelityRows(Metrics(100, 1, 2, 4, 8), Metrics(85.5, 1.14, 2.4, 3.4 - 0.1, 12));
  std::vector<std::string> verdicts;
  verdicts.reserve(rows.size());
  for (const FidelityRow& row : rows) verdicts.push_back(row.verdict());
  EXPECT_THAT(verdicts, ElementsAre("met", "met", "missed", "met at 80%", "missed"));
  EXPECT_NEAR(rows[0].error(), -0.145, 1e-12);
  EXPECT_NEAR(rows[4].error(), 0.5, 1e-12);
}

TEST(LoadFidelity, WhatIsNotKnownHasNoVerdict) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ((FidelityRow{"", true, true, kNaN, 1}).verdict(), "-");
  EXPECT_EQ((FidelityRow{"", true, true, 1, kNaN}).verdict(), "-");
  EXPECT_EQ((FidelityRow{"", true, true, 0, 0}).verdict(), "-");
}

TEST(LoadFidelity, ReportsWithinTheTerminal) {
  const LoadMetrics metrics = Metrics(123456, 1.25, 2, 4, 8);
  const std::string report =
      FidelityReport(HandMadeHead(), metrics, HandMadeHead(), Metrics(1e5, 1, 2, 4, 8));
  for (const absl::string_view line : absl::StrSplit(report, '\n')) EXPECT_LE(line.size(), 80u);
  EXPECT_THAT(report, HasSubstr("-20.0%"));
  EXPECT_THAT(report, HasSubstr("missed"));
}

TEST(LoadFidelity, RunsOfTwoWorkloadsAreNotCompared) {
  LoadRecord other = HandMadeHead();
  other.seed += 1;
  other.workload += "!";
  const LoadMetrics metrics = Metrics(1, 1, 1, 1, 1);
  const std::string report = FidelityReport(HandMadeHead(), metrics, other, metrics);
  EXPECT_THAT(report, HasSubstr("another workload,"));
  EXPECT_THAT(report, HasSubstr("seed:"));
  EXPECT_THAT(report, Not(HasSubstr("met")));
}

// A run in virtual time that stands for a real one. Its anchors are those of its profile.
struct StandIn {
  LoadOptions options;
  MachineProfile profile = MadeProfile(1e8, 1e12, 1e9);
  LoadRecord record;

  explicit StandIn(int repetitions) : options(TinyModelLoad()) {
    options.requests = 40;
    options.arrivals = "poisson:40";
    options.salt = 7;
    options.repetitions = repetitions;
    options.simulate = true;
    options.json = true;
    options.machine = testing::TempDir() + "/load-fidelity-profile.json";
    EXPECT_TRUE(SaveMachineProfile(profile, options.machine).ok());
    record = Run();
    for (RepetitionRecord& repetition : record.repetitions) {
      repetition.anchors_before = repetition.anchors_after = profile.anchors;
    }
  }

  LoadRecord Run() const {
    std::ostringstream json;
    EXPECT_TRUE(RunLoad(options, json).ok());
    auto file = ParseLoadJson(json.str());
    EXPECT_TRUE(file.ok()) << file.status();
    return std::move(file->record);
  }
  // Simulates it once more, at its anchors.
  void SimulateBeside() {
    options.anchors_of = testing::TempDir() + "/load-fidelity-run.json";
    const std::string text = LoadJson(record, {}, ComputeMetrics(record, {}), nullptr);
    EXPECT_TRUE(ReplaceFile(options.anchors_of, text).ok());
    options.repetitions = 1;
  }
  std::string Report() {
    options.json = false;
    std::ostringstream report;
    EXPECT_TRUE(RunLoad(options, report).ok());
    return report.str();
  }
};

TEST(LoadFidelity, ASimulationAtTheAnchorsOfARunIsHeldAgainstIt) {
  StandIn run(1);
  run.SimulateBeside();
  const std::string report = run.Report();
  EXPECT_THAT(report, HasSubstr("Beside the real run"));
  EXPECT_THAT(report, HasSubstr("+0.0%"));
  EXPECT_THAT(report, Not(HasSubstr("missed")));
}

// Each repetition sends requests of its own, so that only the same ones can be compared.
TEST(LoadFidelity, RepetitionsThatDriftedAreNotSimulated) {
  StandIn run(3);
  const std::vector<RepetitionRecord> real = run.record.repetitions;
  ASSERT_EQ(real.size(), 3);
  ASSERT_NE(real[0].end_seconds, real[1].end_seconds);
  run.record.repetitions[0].anchors_after->read_bytes_per_second *= 1.2;
  run.SimulateBeside();
  const LoadRecord simulated = run.Run();
  ASSERT_EQ(simulated.repetitions.size(), 2);
  for (const size_t i : {0, 1}) {
    EXPECT_DOUBLE_EQ(simulated.repetitions[i].end_seconds, real[i + 1].end_seconds) << i;
  }
  const std::string report = run.Report();
  EXPECT_THAT(report, HasSubstr("+0.0%"));
  EXPECT_THAT(report, Not(HasSubstr("missed")));
}

}  // namespace
}  // namespace plumbline::load_fidelity_test
