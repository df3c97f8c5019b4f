// What `plumbline compare` says of load tests' records drawn from known laws.
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/load_law.h"
#include "tools/compare_loads.h"

namespace plumbline::compare_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr CompareLoadsOptions kFew = {.seed = 1, .resamples = 100};

LoadComparison Compare(const LoadFile& a, const LoadFile& b) {
  auto comparison = CompareLoads(a, b, kFew);
  EXPECT_TRUE(comparison.ok()) << comparison.status();
  return comparison.ok() ? *std::move(comparison) : LoadComparison();
}

const MetricComparison& Metric(const LoadComparison& comparison, const std::string& name,
                               const std::string& quantile = "") {
  for (const MetricComparison& metric : comparison.metrics) {
    if (metric.name == name && metric.quantile == quantile) return metric;
  }
  ADD_FAILURE() << name << " " << quantile;
  return comparison.metrics.front();
}

// Of so many pairs from these two laws, how many are called different.
int CountDifferent(const LoadLaw& law_a, const LoadLaw& law_b, int pairs) {
  int different = 0;
  for (int i = 0; i < pairs; ++i) {
    const auto seed = 2 * static_cast<uint64_t>(i);
    const LoadComparison comparison = Compare(DrawLoad(law_a, seed), DrawLoad(law_b, seed + 1));
    different += comparison.different() ? 1 : 0;
  }
  return different;
}

// Runs on the machine itself, whose anchors were those throughout.
LoadFile OnMachine(LoadFile file, double matmul_before, double matmul_after) {
  file.record.target = "engine";
  for (RepetitionRecord& repetition : file.record.repetitions) {
    repetition.anchors_before = Anchors{matmul_before, 1e9};
    repetition.anchors_after = Anchors{matmul_after, 1e9};
  }
  return file;
}

TEST(Compare, OfTwentyPairsOfOneLawAtMostTwoDiffer) {
  // In virtual time, where no allowance for the machine helps.
  EXPECT_LE(CountDifferent({}, {}, 20), 2);
  LoadLaw slow_noise;  // neighbours in time are alike
  slow_noise.memory = 0.8;
  EXPECT_LE(CountDifferent(slow_noise, slow_noise, 20), 2);
  LoadLaw repeated;
  repeated.repetitions = 3;
  repeated.requests = 60;
  repeated.between = 0.05;
  EXPECT_LE(CountDifferent(repeated, repeated, 20), 2);
}

TEST(Compare, FindsThirtyPercent) {
  LoadLaw fast;
  fast.speed = 1.3;
  EXPECT_GE(CountDifferent({}, fast, 10), 9);
  LoadLaw repeated;
  repeated.repetitions = 5;
  repeated.requests = 60;
  repeated.between = 0.02;
  LoadLaw repeated_fast = repeated;
  repeated_fast.speed = 1.3;
  EXPECT_GE(CountDifferent(repeated, repeated_fast, 10), 9);
}

TEST(Compare, SaysWhichWay) {
  LoadLaw law;
  law.requests = 500;
  law.noise = 0.05;
  LoadLaw fast = law;
  fast.speed = 1.3;
  const LoadFile a = DrawLoad(law, 1);
  const LoadFile b = DrawLoad(fast, 2);
  const LoadComparison better = Compare(a, b);
  const LoadComparison worse = Compare(b, a);
  EXPECT_GE(better.Count(CompareVerdict::kBetter), 5);
  EXPECT_EQ(better.Count(CompareVerdict::kWorse), 0);
  EXPECT_EQ(worse.Count(CompareVerdict::kWorse), better.Count(CompareVerdict::kBetter));
  const MetricComparison& gap = Metric(better, "itl", "p50");
  EXPECT_EQ(gap.verdict, CompareVerdict::kBetter);
  EXPECT_TRUE(gap.relative);
  EXPECT_LT(gap.p_value, 0.05 / static_cast<double>(better.tested));
  EXPECT_TRUE(gap.change.Contains(1 / 1.3 - 1)) << gap.change.low << " " << gap.change.high;
  EXPECT_NEAR(gap.change.value, gap.b / gap.a - 1, 1e-12);
  // Neither way is better: steps took less of what was predicted of them.
  EXPECT_EQ(Metric(better, "prediction").verdict, CompareVerdict::kChanged);
  // A percentile that too few samples lie beyond is unknown, and nothing is said of it.
  EXPECT_FALSE(Metric(better, "ttft", "p99").known());
  EXPECT_EQ(better.Count(CompareVerdict::kBetter) + better.Count(CompareVerdict::kChanged) +
                better.Count(CompareVerdict::kIndistinguishable),
            std::count_if(better.metrics.begin(), better.metrics.end(),
                          [](const MetricComparison& metric) { return metric.known(); }));
}

TEST(Compare, ARunIsItself) {
  const LoadFile file = DrawLoad({}, 7);
  const LoadComparison comparison = Compare(file, file);
  EXPECT_FALSE(comparison.different());
  EXPECT_THAT(comparison.differences, IsEmpty());
  for (const MetricComparison& metric : comparison.metrics) {
    if (!metric.known()) continue;
    EXPECT_EQ(metric.change.value, 0) << metric.name;
  }
}

TEST(Compare, FiguresThatMayBeZeroAreDifferences) {
  LoadFile a = DrawLoad({}, 3);
  LoadFile b = DrawLoad({}, 4);
  for (RequestRecord& request : b.record.repetitions[0].requests) {
    const double start = request.first_scheduled_seconds;
    if (request.id % 2 == 0) request.preemptions = {{start, start + 0.001}};
  }
  const LoadComparison comparison = Compare(a, b);
  const MetricComparison& preemptions = Metric(comparison, "preemptions");
  EXPECT_FALSE(preemptions.relative);
  EXPECT_EQ(preemptions.a, 0);
  EXPECT_NEAR(preemptions.change.value, 0.5, 1e-12);
  EXPECT_EQ(preemptions.verdict, CompareVerdict::kWorse);
}

TEST(Compare, TheMachineMayExplainSmallChanges) {
  LoadLaw law;
  law.noise = 0.002;
  law.repetitions = 6;
  LoadLaw slower = law;
  slower.speed = 1 / 1.06;
  const LoadFile a = DrawLoad(law, 1);
  const LoadFile b = DrawLoad(slower, 2);
  EXPECT_EQ(Metric(Compare(a, b), "itl", "p50").verdict, CompareVerdict::kWorse);
  // With anchors that stood still repetitions show it; without any the machine may be the cause.
  const auto verdict = [](const LoadFile& first, const LoadFile& second) {
    return Metric(Compare(first, second), "itl", "p50").verdict;
  };
  EXPECT_EQ(verdict(OnMachine(a, 4e9, 4e9), OnMachine(b, 4e9, 4e9)), CompareVerdict::kWorse);
  EXPECT_EQ(verdict(OnMachine(a, 4e9, 4e9), OnMachine(b, 3.7e9, 3.7e9)),
            CompareVerdict::kIndistinguishable);
  LoadFile blind_a = a;
  LoadFile blind_b = b;
  blind_a.record.target = blind_b.record.target = "engine";
  EXPECT_EQ(verdict(blind_a, blind_b), CompareVerdict::kIndistinguishable);
  // Nor can one run show it, whose intervals know nothing of the next one.
  LoadFile one_a = OnMachine(a, 4e9, 4e9);
  LoadFile one_b = OnMachine(b, 4e9, 4e9);
  one_a.record.repetitions.resize(1);
  one_b.record.repetitions.resize(1);
  EXPECT_EQ(verdict(one_a, one_b), CompareVerdict::kIndistinguishable);
  EXPECT_NEAR(Compare(one_a, one_b).machine_change, kMostDrift, 1e-12);
}

TEST(Compare, AllowanceIsWhatTheAnchorsDid) {
  LoadFile a = OnMachine(DrawLoad({}, 1), 4e9, 5e9);
  LoadFile b = OnMachine(DrawLoad({}, 2), 3e9, 4e9);
  EXPECT_NEAR(MachineAllowance(a.record, b.record, false), std::log(5.0 / 3), 1e-12);
  EXPECT_NEAR(MachineAllowance(a.record, b.record, true), std::log(5.0 / 3) / 2, 1e-12);
  b.record.repetitions[0].anchors_before.reset();
  b.record.repetitions[0].anchors_after.reset();
  EXPECT_NEAR(MachineAllowance(a.record, b.record, true), std::log1p(kMostDrift), 1e-12);
  EXPECT_EQ(MachineAllowance(DrawLoad({}, 1).record, DrawLoad({}, 2).record, false), 0);
}

TEST(Compare, NothingIsCalledOfRunsThatDrifted) {
  LoadLaw law;
  law.repetitions = 4;
  LoadLaw fast = law;
  fast.speed = 3;
  const LoadFile a = OnMachine(DrawLoad(law, 1), 4e9, 4e9);
  LoadFile b = OnMachine(DrawLoad(fast, 2), 4e9, 4e9);
  EXPECT_TRUE(Compare(a, b).different());
  // One of four is left out, as `load` does.
  b.record.repetitions[0].anchors_after = Anchors{2e9, 1e9};
  const LoadComparison without = Compare(a, b);
  EXPECT_FALSE(without.undecided());
  EXPECT_EQ(without.b.discarded, 1);
  EXPECT_EQ(without.b.rounds, 3);
  EXPECT_TRUE(without.b.whole);
  EXPECT_NEAR(without.b.most_drift, 0.5, 1e-12);
  for (RepetitionRecord& repetition : b.record.repetitions) {
    repetition.anchors_after = Anchors{2e9, 1e9};
  }
  const LoadComparison drifted = Compare(a, b);
  EXPECT_TRUE(drifted.undecided());
  EXPECT_FALSE(drifted.different());
  EXPECT_EQ(drifted.Count(CompareVerdict::kIndistinguishable), 0);
}

TEST(Compare, ListsWhatIsNotTheSame) {
  LoadFile a = DrawLoad({}, 1);
  LoadFile b = DrawLoad({}, 2);
  a.record.salt = 5;  // drawn anew for every run
  b.record.salt = 6;
  EXPECT_THAT(DifferencesOf(a, b), IsEmpty());
  b.record.policy = {{"max_running", "64"}, {"step_tokens", "128"}, {"order", "priority"}};
  b.record.seed = 2;
  b.record.workload = "of another";
  b.record.salt = 0;
  b.record.threads = 4;
  std::vector<std::string> seen;
  for (const SettingDifference& entry : DifferencesOf(a, b)) {
    seen.push_back(entry.name + (entry.warning ? "!" : "") + " " + entry.a + " " + entry.b);
  }
  EXPECT_THAT(seen, ElementsAre("workload! of a law of another", "seed! 1 2", "salt! drawn none",
                                "step_tokens 512 128", "order usual priority", "threads 1 4"));
}

TEST(Compare, AFileWithoutRepetitionsCannotBeCompared) {
  const LoadFile file = DrawLoad({}, 1);
  const auto comparison = CompareLoads(file, LoadFile());
  ASSERT_FALSE(comparison.ok());
  EXPECT_TRUE(absl::StartsWith(comparison.status().message(), "B holds no repetition"));
  // Nor is a run of no request one that can be judged; it is no error.
  LoadFile empty = file;
  empty.record.repetitions[0] = RepetitionRecord();
  EXPECT_FALSE(Compare(empty, file).different());
}

}  // namespace
}  // namespace plumbline::compare_test
