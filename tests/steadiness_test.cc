#include "tools/steadiness.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/noisy_curves.h"

namespace plumbline::steadiness_test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// `rounds` rounds of 10 points, over the median of their point; slower by `change` at the end.
struct Study {
  std::vector<double> start_seconds;
  std::vector<double> relative;
};
Study MakeStudy(uint64_t seed, int rounds, double change, double outlier_rate = 0) {
  Noise noise(seed);
  std::vector<std::vector<double>> points(10);
  for (int round = 0; round < rounds; ++round) {
    for (std::vector<double>& point : points) {
      const double drift = 1 + change * round / (rounds - 1);
      point.push_back(drift * noise.Factor(0.03) * (noise.Uniform() < outlier_rate ? 4 : 1));
    }
  }
  Study study;
  for (int round = 0; round < rounds; ++round) {
    for (const std::vector<double>& point : points) {
      study.start_seconds.push_back(static_cast<double>(study.start_seconds.size()));
      study.relative.push_back(point[round] / Median(point));
    }
  }
  return study;
}

TEST(FindDriftTest, FlagsNoMoreThanItsLevelWithoutDrift) {
  int64_t flags = 0;
  const int studies = 300;
  for (int seed = 0; seed < studies; ++seed) {
    const Study study = MakeStudy(seed, 9, 0, 0.03);
    flags += FindDrift(study.start_seconds, study.relative, 0.05).flagged;
  }
  // At most 5%: `flags` or more of them must be plausible.
  EXPECT_GT(1 - BinomialAtMost(flags - 1, studies, 0.05), kImplausible) << flags;
}

TEST(FindDriftTest, FlagsDriftAndSaysHowMuch) {
  int64_t flags = 0;
  const int studies = 100;
  std::vector<double> changes;
  for (int seed = 0; seed < studies; ++seed) {
    const Study study = MakeStudy(1000 + seed, 9, 0.1, 0.03);
    const Drift drift = FindDrift(study.start_seconds, study.relative);
    flags += drift.flagged;
    changes.push_back(drift.relative_change);
  }
  EXPECT_GT(BinomialAtMost(flags, studies, 0.99), kImplausible) << flags;
  // 10% more than the start is 9.5% of the median.
  const auto change = MedianEstimate(changes);
  ASSERT_TRUE(change.ok());
  EXPECT_NEAR(change->value, 0.1 / 1.05, 0.01);
  const Study faster = MakeStudy(5, 9, -0.1);
  EXPECT_LT(FindDrift(faster.start_seconds, faster.relative).relative_change, -0.05);
}

TEST(FindDriftTest, LooksAtNoMoreThanItCan) {
  const Study study = MakeStudy(1, 2000, 0.1);
  const Drift drift = FindDrift(study.start_seconds, study.relative);
  EXPECT_TRUE(drift.flagged);
  EXPECT_NEAR(drift.relative_change, 0.1 / 1.05, 0.02);
}

TEST(FindDriftTest, DegenerateInputIsNotFlagged) {
  EXPECT_FALSE(FindDrift({}, {}).flagged);
  EXPECT_FALSE(FindDrift({1, 2, 3, 4, 5, 6, 7}, {1, 2, 3, 4, 5, 6, 7}).flagged);  // too few
  const std::vector<double> times = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  EXPECT_FALSE(FindDrift(times, std::vector<double>(10, 1.0)).flagged);   // all equal
  EXPECT_FALSE(FindDrift(std::vector<double>(10, 1.0), times).flagged);   // one moment
  EXPECT_FALSE(FindDrift(times, std::vector<double>(10, kNaN)).flagged);  // none taken
  EXPECT_FALSE(FindDrift(times, std::vector<double>(10, kInfinity)).flagged);
  EXPECT_TRUE(FindDrift(times, times).flagged);
}

TEST(StableFromTest, FindsTheEndOfWarmUp) {
  Noise noise(4);
  std::vector<double> samples = {3, 2, 1.5};
  for (int i = 0; i < 20; ++i) samples.push_back(noise.Factor(0.02));
  EXPECT_EQ(StableFrom(samples), 3);
  samples[10] = 9;  // an outlier later on does not delay it
  EXPECT_EQ(StableFrom(samples), 3);
}

TEST(StableFromTest, DegenerateInput) {
  EXPECT_EQ(StableFrom({}), 0);
  EXPECT_EQ(StableFrom({9, 1, 1}), 0);
  EXPECT_EQ(StableFrom({1, 1, 1, 1}), 0);
  EXPECT_EQ(StableFrom({5, 1, 1, 1, 1}), 1);
  EXPECT_EQ(StableFrom({1, kNaN, 1, kNaN, 1}), 5);
}

TEST(PreciseEnoughTest, WaitsForEnoughSamplesAndANarrowInterval) {
  const std::vector<double> equal(5, 2.0);
  EXPECT_FALSE(PreciseEnough(equal));
  EXPECT_TRUE(PreciseEnough(std::vector<double>(6, 2.0)));
  Noise noise(9);
  std::vector<double> samples;
  int stopped_at = 0;
  for (int i = 1; i <= 2000 && stopped_at == 0; ++i) {
    samples.push_back(noise.Factor(0.1));
    if (PreciseEnough(samples)) stopped_at = i;
  }
  // The median's error is 1.2533 * 0.1 / sqrt(n); 1.96 of it meet 2% near 150 samples.
  EXPECT_GT(stopped_at, 75);
  EXPECT_LT(stopped_at, 300);
}

TEST(PreciseEnoughTest, DegenerateInputIsNeverPrecise) {
  EXPECT_FALSE(PreciseEnough({}));
  EXPECT_FALSE(PreciseEnough(std::vector<double>(10, 0.0)));
  EXPECT_FALSE(PreciseEnough(std::vector<double>(10, -1.0)));
  EXPECT_FALSE(PreciseEnough(std::vector<double>(10, kNaN)));
  EXPECT_FALSE(PreciseEnough(std::vector<double>(10, kInfinity)));
  StopRule rule;
  rule.least = 1;
  EXPECT_FALSE(PreciseEnough({1}, rule));  // no interval of one sample has 95%
}

}  // namespace
}  // namespace plumbline::steadiness_test
