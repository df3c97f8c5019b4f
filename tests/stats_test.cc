#include "tools/stats.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/noisy_curves.h"
#include "tools/resampling.h"

namespace plumbline::stats_test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kDataSets = 1000;

std::vector<double> Factors(uint64_t seed, int count, double spread) {
  Noise noise(seed);
  std::vector<double> samples(count);
  for (double& sample : samples) sample = noise.Factor(spread);
  return samples;
}

TEST(QuantileTest, IsLinearBetweenOrderStatistics) {
  const std::vector<double> samples = {4, 1, 3, 2};
  EXPECT_EQ(Quantile(samples, 0), 1);
  EXPECT_EQ(Quantile(samples, 1), 4);
  EXPECT_EQ(Quantile(samples, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(Quantile(samples, 0.9), 3.7);
  EXPECT_EQ(Median({7}), 7);
  EXPECT_EQ(Median({3, 1, 2}), 2);
}

TEST(QuantileTest, DegenerateInputIsNaNOrKeepsItsOrder) {
  EXPECT_TRUE(std::isnan(Median({})));
  EXPECT_TRUE(std::isnan(Median({1, kNaN, 2})));
  EXPECT_TRUE(std::isnan(Quantile({1}, -0.1)));
  EXPECT_TRUE(std::isnan(Quantile({1}, 1.1)));
  EXPECT_TRUE(std::isnan(Quantile({1}, kNaN)));
  EXPECT_EQ(Median({1, kInfinity, 2}), 2);
  EXPECT_EQ(Quantile({1, kInfinity, kInfinity}, 0.75), kInfinity);
  EXPECT_EQ(Median({-1, 0, 0}), 0);
}

TEST(TakenTest, LeavesOutWhatWasNotTaken) {
  EXPECT_EQ(Taken({kNaN, 2, kNaN, kInfinity}), (std::vector<double>{2, kInfinity}));
  EXPECT_TRUE(Taken({}).empty());
}

TEST(CountOutliersTest, CountsWhatLiesFarOutAndNothingElse) {
  std::vector<double> samples = Factors(3, 200, 0.02);
  EXPECT_EQ(CountOutliers(samples), 0);
  samples[7] = 2;
  samples[80] = 0.1;
  samples[81] = kInfinity;
  samples.push_back(kNaN);
  EXPECT_EQ(CountOutliers(samples), 3);
}

TEST(CountOutliersTest, EqualSamplesHaveNone) {
  EXPECT_EQ(CountOutliers({}), 0);
  EXPECT_EQ(CountOutliers({2, 2, 2, 2}), 0);
  EXPECT_EQ(CountOutliers({2, 2, 2, 2, 2, 2, 2, 2, 2, 50}), 1);
}

TEST(ExpandedTailTest, FollowsStudent) {
  // t(0.025, 9) = 2.262157 and t(0.025, 4) = 2.776445, as tables print them.
  EXPECT_NEAR(ExpandedTail(10, 0.95), 0.5 * std::erfc(std::sqrt(10.0 / 9) * 2.262157 / M_SQRT2),
              1e-7);
  EXPECT_NEAR(ExpandedTail(5, 0.95), 0.5 * std::erfc(std::sqrt(5.0 / 4) * 2.776445 / M_SQRT2),
              1e-7);
  EXPECT_NEAR(ExpandedTail(4000, 0.95), 0.025, 1e-4);
}

// Intervals of the median hold the truth as often as they say: no fewer of the data sets than a
// binomial of that rate gives.
TEST(CoverageTest, MedianIntervalsHoldTheMedian) {
  for (const int samples : {7, 12, 40}) {
    int64_t hits = 0;
    int64_t exact_hits = 0;
    BootstrapOptions options;
    options.resamples = 250;
    for (int set = 0; set < kDataSets; ++set) {
      const std::vector<double> data = Factors(1000 * samples + set, samples, 0.1);
      options.seed = set;
      hits += MedianEstimate(data, options)->Contains(1);
      exact_hits += ExactMedianInterval(data)->median.Contains(1);
    }
    EXPECT_GT(BinomialAtMost(hits, kDataSets, 0.95), kImplausible) << samples << ": " << hits;
    EXPECT_GT(BinomialAtMost(exact_hits, kDataSets, 0.95), kImplausible)
        << samples << ": " << exact_hits;
    // Nor so wide that they say nothing: at 80% they must miss some.
    options.level = 0.8;
    int64_t loose_hits = 0;
    for (int set = 0; set < kDataSets; ++set) {
      options.seed = set;
      loose_hits +=
          MedianEstimate(Factors(1000 * samples + set, samples, 0.1), options)->Contains(1);
    }
    EXPECT_LT(loose_hits, hits);
    EXPECT_GT(BinomialAtMost(loose_hits, kDataSets, 0.8), kImplausible) << loose_hits;
  }
}

TEST(CoverageTest, PairedRatiosHoldTheRatioThroughDriftThatBothShare) {
  int64_t hits = 0;
  double widest = 0;
  for (int set = 0; set < kDataSets; ++set) {
    Noise noise(set);
    std::vector<double> a;
    std::vector<double> b;
    for (int round = 0; round < 15; ++round) {
      const double machine = 1 + round * 0.1;  // more than twice as slow at the end
      a.push_back(machine * 3 * noise.Factor(0.02));
      b.push_back(machine * noise.Factor(0.02));
    }
    BootstrapOptions options;
    options.seed = set;
    options.resamples = 250;
    const auto ratio = PairedRatio(a, b, options);
    ASSERT_TRUE(ratio.ok()) << ratio.status();
    hits += ratio->Contains(3);
    widest = std::max(widest, ratio->RelativeHalfWidth());
  }
  EXPECT_GT(BinomialAtMost(hits, kDataSets, 0.95), kImplausible) << hits;
  EXPECT_LT(widest, 0.1);  // the drift of 140% is not in it
}

// Neighbours in time that are alike: intervals of single rounds are too narrow, blocks widen them.
TEST(CoverageTest, BlocksWidenTheIntervalOfCorrelatedSamples) {
  int64_t single_hits = 0;
  int64_t block_hits = 0;
  for (int set = 0; set < 300; ++set) {
    Noise noise(set);
    std::vector<double> data(120);
    double level = noise.Normal() / std::sqrt(1 - 0.8 * 0.8);
    for (double& sample : data) sample = level = 0.8 * level + noise.Normal();
    BootstrapOptions options;
    options.seed = set;
    options.resamples = 200;
    single_hits += MedianEstimate(data, options)->Contains(0);
    options.block = 20;
    block_hits += MedianEstimate(data, options)->Contains(0);
  }
  EXPECT_LT(BinomialAtMost(single_hits, 300, 0.95), kImplausible) << single_hits;
  EXPECT_GT(block_hits, single_hits);
  // Blocks of a sixth of the data do not reach 95%: held to 80%.
  EXPECT_GT(BinomialAtMost(block_hits, 300, 0.80), kImplausible) << block_hits;
}

TEST(BootstrapRoundsTest, OneSeedOneResult) {
  const std::vector<double> data = Factors(5, 25, 0.3);
  BootstrapOptions options;
  options.seed = 77;
  const Estimate first = *MedianEstimate(data, options);
  const Estimate second = *MedianEstimate(data, options);
  EXPECT_EQ(first.low, second.low);
  EXPECT_EQ(first.high, second.high);
  EXPECT_EQ(first.value, Median(data));
  EXPECT_LE(first.low, first.value);
  EXPECT_GE(first.high, first.value);
}

TEST(BootstrapRoundsTest, BlocksKeepNeighboursTogetherAndReachEveryRound) {
  BootstrapOptions options;
  options.block = 4;
  std::vector<int64_t> seen(10);
  const auto statistic = [&](absl::Span<const int64_t> rounds) {
    for (size_t i = 0; i < rounds.size(); ++i) {
      ++seen[rounds[i]];
      if (i % 4 != 0 && !std::is_sorted(rounds.begin(), rounds.end())) {
        EXPECT_EQ(rounds[i], (rounds[i - 1] + 1) % 10);
      }
    }
    return std::vector<double>{0};
  };
  ASSERT_TRUE(BootstrapRounds(10, statistic, options).ok());
  EXPECT_GT(*std::min_element(seen.begin(), seen.end()), 0);
}

TEST(BootstrapRoundsTest, FiguresThatAreOftenUnknownHaveUnknownEnds) {
  int call = 0;
  const auto estimates = BootstrapRounds(9, [&](absl::Span<const int64_t>) {
    ++call;
    return std::vector<double>{1, call % 2 == 0 ? kNaN : 1, call % 30 == 0 ? kNaN : 2,
                               call % 4 == 0 ? kInfinity : 3};
  });
  ASSERT_TRUE(estimates.ok()) << estimates.status();
  EXPECT_TRUE((*estimates)[0].Contains(1));
  EXPECT_EQ((*estimates)[1].value, 1);
  EXPECT_TRUE(std::isnan((*estimates)[1].low));
  EXPECT_EQ((*estimates)[2].high, 2);
  EXPECT_EQ((*estimates)[3].high, kInfinity);
}

TEST(BootstrapRoundsTest, RefusesWhatHasNoAnswer) {
  const auto zero = [](absl::Span<const int64_t>) { return std::vector<double>{0}; };
  EXPECT_FALSE(BootstrapRounds(0, zero).ok());
  EXPECT_FALSE(BootstrapRounds(-1, zero).ok());
  BootstrapOptions options;
  options.resamples = 19;
  EXPECT_FALSE(BootstrapRounds(5, zero, options).ok());
  options = {};
  options.level = 1;
  EXPECT_FALSE(BootstrapRounds(5, zero, options).ok());
  options = {};
  options.block = 0;
  EXPECT_FALSE(BootstrapRounds(5, zero, options).ok());
  int call = 0;
  EXPECT_FALSE(BootstrapRounds(5, [&](absl::Span<const int64_t>) {
                 return std::vector<double>(++call > 3 ? 2 : 1);
               }).ok());
}

TEST(MedianEstimateTest, DegenerateInput) {
  EXPECT_FALSE(MedianEstimate({}).ok());
  EXPECT_FALSE(MedianEstimate({1, kNaN}).ok());
  EXPECT_FALSE(MedianEstimate({1, kInfinity}).ok());
  const auto one = MedianEstimate({4});
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->value, 4);
  EXPECT_TRUE(std::isnan(one->low));  // one sample knows nothing of its error
  const auto equal = MedianEstimate({0, 0, 0, 0, 0, 0, 0});
  ASSERT_TRUE(equal.ok());
  EXPECT_EQ(equal->low, 0);
  EXPECT_EQ(equal->high, 0);
}

TEST(RatioTest, DegenerateInput) {
  EXPECT_FALSE(PairedRatio({}, {}).ok());
  EXPECT_FALSE(PairedRatio({1, 2}, {1}).ok());
  EXPECT_FALSE(PairedRatio({1, 2}, {1, 0}).ok());
  EXPECT_FALSE(PairedRatio({1, -2}, {1, 1}).ok());
  EXPECT_FALSE(PairedRatio({1, kInfinity}, {1, 1}).ok());
  EXPECT_FALSE(PairedRatio({1, kNaN}, {kNaN, 1}).ok());
  EXPECT_EQ(PairedRatio({2, kNaN, 4}, {1, 1, 2})->value, 2);
}

TEST(ExactMedianIntervalTest, ConfidenceIsThatOfTheOrderStatistics) {
  // Six samples: [smallest, largest] misses with chance 2 / 2^6.
  const auto six = ExactMedianInterval({1, 2, 3, 4, 5, 6});
  ASSERT_TRUE(six.ok());
  EXPECT_EQ(six->median.low, 1);
  EXPECT_EQ(six->median.high, 6);
  EXPECT_NEAR(six->confidence, 1 - 2.0 / 64, 1e-12);
  // Nine: from the second smallest to the second largest, 1 - 2 (1 + 9) / 2^9.
  const auto nine = ExactMedianInterval({1, 2, 3, 4, 5, 6, 7, 8, 9});
  ASSERT_TRUE(nine.ok());
  EXPECT_EQ(nine->median.low, 2);
  EXPECT_EQ(nine->median.high, 8);
  EXPECT_NEAR(nine->confidence, 1 - 20.0 / 512, 1e-12);
  EXPECT_NEAR(ExactMedianInterval({5})->confidence, 0, 1e-12);
  EXPECT_NEAR(ExactMedianInterval({5, 6, 7})->confidence, 0.75, 1e-12);
  // Many samples: near 1.96 sqrt(n) / 2 order statistics from the middle.
  std::vector<double> many(10000);
  std::iota(many.begin(), many.end(), 0.0);
  EXPECT_NEAR(ExactMedianInterval(many)->median.low, 5000 - 98, 2);
  EXPECT_FALSE(ExactMedianInterval({}).ok());
  EXPECT_FALSE(ExactMedianInterval({1, kNaN}).ok());
  EXPECT_FALSE(ExactMedianInterval({1}, 0).ok());
}

TEST(JudgeRatioTest, NeedsTheWholeIntervalOnOneSide) {
  EXPECT_EQ(JudgeRatio({0.9, 0.8, 0.99}), RatioVerdict::kBetter);
  EXPECT_EQ(JudgeRatio({1.1, 1.01, 1.2}), RatioVerdict::kWorse);
  EXPECT_EQ(JudgeRatio({0.9, 0.8, 1.01}), RatioVerdict::kIndistinguishable);
  EXPECT_EQ(JudgeRatio(Estimate::Unknown()), RatioVerdict::kIndistinguishable);
}

}  // namespace
}  // namespace plumbline::stats_test
