// Standard errors by resampling, and what they say of a change.
#include "tools/compare_spread.h"

#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tools/resampling.h"

namespace plumbline::compare_spread_test {
namespace {

RoundStatistic MeanOfRounds(const std::vector<double>& values) {
  return [&values](absl::Span<const int64_t> rounds) {
    double sum = 0;
    for (const int64_t round : rounds) sum += values[static_cast<size_t>(round)];
    return std::vector<double>{sum / static_cast<double>(rounds.size())};
  };
}

TEST(CompareSpread, StudentsQuantilesAreThoseOfTables) {
  EXPECT_NEAR(StudentQuantile(0.025, 1), 12.7062, 5e-5);
  EXPECT_NEAR(StudentQuantile(0.025, 4), 2.7764, 5e-5);
  EXPECT_NEAR(StudentQuantile(0.0005, 10), 4.5869, 5e-5);
  EXPECT_NEAR(StudentQuantile(0.0005, 38), 3.5657, 5e-5);
  EXPECT_NEAR(StudentUpperTail(2.7764451, 4), 0.025, 1e-8);
  EXPECT_EQ(StudentUpperTail(0, 3), 0.5);
}

TEST(CompareSpread, OfAMeanIsTheStandardErrorOfTextbooks) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal(100, 5);
  std::vector<double> values(20);
  for (double& value : values) value = normal(random);
  double mean = 0;
  for (const double value : values) mean += value / 20;
  double variance = 0;
  for (const double value : values) variance += (value - mean) * (value - mean) / 19;
  SpreadOptions options;
  options.resamples = 2000;
  const FigureSpread spread = SpreadsOf(20, MeanOfRounds(values), options).front();
  // Four standard errors of the resamples' own deviation, 1 / sqrt(2 x 2000).
  const double wanted = std::sqrt(variance / 20);
  EXPECT_NEAR(spread.error, wanted, wanted * 4 / std::sqrt(4000.0));
  // The logarithm's is relative, but for terms of its square.
  EXPECT_NEAR(spread.log_error, spread.error / mean, std::pow(spread.error / mean, 2));
  EXPECT_NEAR(spread.value, mean, 1e-9);
  EXPECT_EQ(spread.freedom, 19);
}

TEST(CompareSpread, NeighboursThatAreAlikeWidenIt) {
  std::vector<double> values(20);  // five levels of four rounds each
  for (size_t i = 0; i < 20; ++i) values[i] = i / 4 % 2 == 0 ? 10 : 11;
  SpreadOptions options;
  const FigureSpread apart = SpreadsOf(20, MeanOfRounds(values), options).front();
  options.neighbours_alike = true;
  const FigureSpread together = SpreadsOf(20, MeanOfRounds(values), options).front();
  EXPECT_GT(together.error, 1.3 * apart.error);
  EXPECT_EQ(together.freedom, 4);
}

TEST(CompareSpread, IsUnknownWhereItCannotBeKnown) {
  const std::vector<double> one = {4};
  EXPECT_TRUE(std::isnan(SpreadsOf(1, MeanOfRounds(one), {}).front().error));
  // Most resamples lack the only round with a figure.
  const auto sparse = [](absl::Span<const int64_t> rounds) {
    double sum = 0;
    for (const int64_t round : rounds) sum += round == 0 ? 1 : 0;
    return std::vector<double>{sum > 0 ? 1 : std::nan("")};
  };
  const FigureSpread spread = SpreadsOf(20, sparse, {}).front();
  EXPECT_TRUE(std::isnan(spread.error));
  const SpreadContrast contrast = ContrastSpreads(spread, spread);
  EXPECT_FALSE(contrast.uncertain());
  EXPECT_TRUE(std::isnan(contrast.HalfWidth(0.05)));
  EXPECT_EQ(contrast.p_value, 1);
  // A figure that is 0 in some resamples has no logarithm.
  const std::vector<double> mixed = {0, 0, 1};
  EXPECT_TRUE(std::isnan(SpreadsOf(3, MeanOfRounds(mixed), {}).front().log_error));
}

TEST(CompareSpread, ContrastIsStudentsTest) {
  // Two samples of five with the same error: the pooled test has 8 degrees of freedom.
  const FigureSpread a{10, 0.5, std::nan(""), 4};
  const FigureSpread b{12, 0.5, std::nan(""), 4};
  const SpreadContrast contrast = ContrastSpreads(a, b);
  EXPECT_FALSE(contrast.relative);
  EXPECT_EQ(contrast.change, 2);
  EXPECT_NEAR(contrast.error, std::sqrt(0.5), 1e-12);
  EXPECT_EQ(contrast.freedom, 8);
  EXPECT_NEAR(contrast.p_value, 0.02217, 1e-4);  // t = 2.8284
  EXPECT_NEAR(contrast.HalfWidth(0.05), 2.3060 * std::sqrt(0.5), 1e-4);
  // One error that towers over the other leaves its own freedom (Welch).
  EXPECT_EQ(ContrastSpreads({10, 1e-9, std::nan(""), 19}, b).freedom, 4);
  // Without any error a change is certain, and no change none.
  const FigureSpread exact{1, 0, 0, 4};
  EXPECT_EQ(ContrastSpreads(exact, exact).p_value, 1);
  EXPECT_EQ(ContrastSpreads(exact, {2, 0, 0, 4}).p_value, 0);
  EXPECT_NEAR(ContrastSpreads(exact, {2, 0, 0, 4}).change, std::log(2), 1e-15);
}

}  // namespace
}  // namespace plumbline::compare_spread_test
