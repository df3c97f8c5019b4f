// Perplexity and divergence of given logits, against their definitions in more digits.
#include "tools/perplexity_score.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/reference/error_bounds.h"

namespace plumbline::perplexity_score_test {
namespace {

constexpr double kUnitF64 = 0x1p-53;

long double ExactLogSumExp(const std::vector<float>& logits) {
  const long double largest = *std::max_element(logits.begin(), logits.end());
  long double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<long double>(logit) - largest);
  return largest + std::log(sum);
}

// By the definition, whose terms cancel: in 64 bits of significand.
long double ExactDivergence(const std::vector<float>& p, const std::vector<float>& q) {
  const long double p_sum = ExactLogSumExp(p);
  const long double q_sum = ExactLogSumExp(q);
  long double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const long double log_p = static_cast<long double>(p[i]) - p_sum;
    sum += std::exp(log_p) * (log_p - (static_cast<long double>(q[i]) - q_sum));
  }
  return sum;
}

std::vector<float> RandomLogits(size_t count, float spread, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> uniform(-spread, spread);
  std::vector<float> logits(count);
  for (float& logit : logits) logit = uniform(random);
  return logits;
}

std::vector<float> Moved(std::vector<float> logits, float by, uint64_t seed) {
  const std::vector<float> noise = RandomLogits(logits.size(), by, seed);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] += noise[i];
  return logits;
}

double DivergenceOf(const std::vector<float>& p, const std::vector<float>& q) {
  return Divergence(LogitRow(p), LogitRow(q));
}

TEST(LogSumExpTest, AgreesWithMoreDigits) {
  for (const float spread : {1e-3F, 1.0F, 30.0F, 1000.0F}) {
    const std::vector<float> logits = RandomLogits(500, spread, 3);
    // Sums and exps of the sum (its relative error is absolute in the log), the log, the last sum.
    const double bound = Gamma(500 + 2 * kFunctionUnits, kUnitF64) +
                         kUnitF64 * (2 * spread + 1 + kFunctionUnits * std::log(500.0));
    EXPECT_NEAR(LogSumExp(logits), static_cast<double>(ExactLogSumExp(logits)), bound) << spread;
  }
  EXPECT_EQ(LogSumExp({3.5F}), 3.5);
  EXPECT_EQ(LogSumExp({3e38F, -3e38F}), double{3e38F});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(std::isfinite(LogSumExp({0, nan, 1})));
  EXPECT_FALSE(std::isfinite(LogSumExp({0, std::numeric_limits<float>::infinity()})));
}

// A term p (exp(d) - 1 - d) moves by p (exp(d) - 1) times the error of its d, so all together by at
// most that error times sum |q - p|, which is at most sqrt(2 KL) (Pinsker). A d is off by a few
// roundings of the logits and normalisers that it is made of, and exp's. p is off by a factor that
// has the roundings of a normaliser.
double DivergenceBound(double divergence, double spread, size_t count) {
  const double exponent = kUnitF64 * (8 * spread + 8 * std::log(static_cast<double>(count)));
  return exponent * (std::sqrt(2 * divergence) + exponent) +
         divergence * Gamma(static_cast<double>(count) + 4 * kFunctionUnits + 128, kUnitF64) +
         // The definition's own error, with 11 bits more.
         0x1p-64 * (8 * spread + static_cast<double>(count));
}

TEST(DivergenceTest, AgreesWithTheDefinition) {
  for (const float spread : {0.5F, 10.0F}) {
    for (const float by : {1e-4F, 1e-2F, 0.05F, 1.0F, 20.0F}) {
      const std::vector<float> p = RandomLogits(300, spread, 1);
      const std::vector<float> q = Moved(p, by, 2);
      const auto exact = static_cast<double>(ExactDivergence(p, q));
      EXPECT_NEAR(DivergenceOf(p, q), exact, DivergenceBound(exact, spread + by, 300))
          << spread << " " << by;
    }
  }
}

TEST(DivergenceTest, TwoTokensByHand) {
  // p = (1/2, 1/2), q = (1/4, 3/4): log(2) / 2 + log(2/3) / 2, but for the rounding of log 3 to
  // f32.
  const double log3 = std::log(3.0);
  const auto rounded = static_cast<float>(log3);
  const double slope = 0.25;  // of the divergence in that logit: q - p
  EXPECT_NEAR(DivergenceOf({0, 0}, {0, rounded}), 0.5 * std::log(4.0 / 3),
              1.01 * slope * std::abs(log3 - double{rounded}) + 8 * kUnitF64);
}

TEST(DivergenceTest, EqualRowsGiveZeroToTheBit) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> p = RandomLogits(1000, 20, seed);
    EXPECT_EQ(DivergenceOf(p, p), 0);
  }
}

// The definition in double gives both signs here.
TEST(DivergenceTest, IsNeverNegative) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::vector<float> p = RandomLogits(1000, 5, seed);
    EXPECT_GT(DivergenceOf(p, Moved(p, 1e-5F, seed + 100)), 0);
    // The same distribution: all logits moved alike. What is left is the square of a rounding.
    std::vector<float> shifted = p;
    for (float& logit : shifted) logit = std::round(logit * 64) / 64;
    std::vector<float> base = shifted;
    for (float& logit : shifted) logit += 8;
    const double left = DivergenceOf(base, shifted);
    EXPECT_GE(left, 0);
    EXPECT_LE(left, std::pow(64 * kUnitF64, 2));
  }
}

TEST(DivergenceTest, FarApartIsLargeAndFinite) {
  EXPECT_NEAR(DivergenceOf({0, -100}, {-100, 0}), 100, 100 * 8 * kUnitF64);
  EXPECT_NEAR(DivergenceOf({2000, 0}, {0, 2000}), 2000, 2000 * 8 * kUnitF64);
  EXPECT_TRUE(std::isfinite(DivergenceOf({3e38F, -3e38F}, {-3e38F, 3e38F})));
}

TEST(ScoreTokenTest, LogProbabilitiesAndTops) {
  const std::vector<float> uniform = {1, 1, 1, 1};
  const std::vector<float> other = {1, 1, 2, 1};
  const TokenScore score = ScoreToken(LogitRow(uniform), LogitRow(other), 2);
  EXPECT_NEAR(score.reference_negative_log, std::log(4.0), 4 * kUnitF64);
  EXPECT_NEAR(score.negative_log, std::log(3 * std::exp(-1.0) + 1), 4 * kUnitF64);
  EXPECT_FALSE(score.equal_top);  // equals: the first
  EXPECT_TRUE(score.finite());
  EXPECT_TRUE(ScoreToken(LogitRow(uniform), LogitRow(uniform), 0).equal_top);
  const std::vector<float> bad = {1, std::numeric_limits<float>::quiet_NaN(), 2, 1};
  EXPECT_FALSE(ScoreToken(LogitRow(uniform), LogitRow(bad), 0).finite());
  EXPECT_FALSE(ScoreToken(LogitRow(bad), LogitRow(uniform), 0).finite());
}

// Windows of 2 and 1 tokens with sums 4 and 5: mean 3, deviations -2 and 2, so the variance of the
// mean is 2 / 1 * 8 / 9.
TEST(SummarizeTest, MeansAndErrorsByHand) {
  TextScores scores;
  scores.windows.push_back({2, 4, 4 - 0.5, 0.25, 2});
  scores.windows.push_back({1, 5, 5 - 0.25, 0.125, 0});
  scores.divergences = {0.25, 0, 0.125};
  const PerplexitySummary summary = Summarize(scores);
  EXPECT_EQ(summary.windows, 2);
  EXPECT_EQ(summary.tokens, 3);
  EXPECT_DOUBLE_EQ(summary.perplexity.value, std::exp(3.0));
  EXPECT_DOUBLE_EQ(summary.perplexity.error, std::exp(3.0) * 4 / 3);
  EXPECT_DOUBLE_EQ(summary.ratio.value, std::exp(0.25));
  EXPECT_EQ(summary.ratio.error, 0);  // both windows differ by a quarter for each token
  EXPECT_DOUBLE_EQ(summary.mean_divergence.value, 0.125);
  EXPECT_EQ(summary.mean_divergence.error, 0);
  EXPECT_DOUBLE_EQ(summary.divergence_max, 0.25);
  EXPECT_DOUBLE_EQ(summary.divergence_p99, 0.125 + 0.98 * 0.125);  // order statistic 1.98 of 0..2
  EXPECT_DOUBLE_EQ(summary.equal_top_share, 2.0 / 3);
}

TEST(SummarizeTest, OneWindowHasNoError) {
  TextScores scores;
  scores.windows.push_back({2, 4, 4, 0, 2});
  scores.divergences = {0, 0};
  const PerplexitySummary summary = Summarize(scores);
  EXPECT_DOUBLE_EQ(summary.perplexity.value, std::exp(2.0));
  EXPECT_TRUE(std::isnan(summary.perplexity.error));
}

}  // namespace
}  // namespace plumbline::perplexity_score_test
