#include "tools/curve_fit.h"

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/noisy_curves.h"
#include "tools/stats.h"

namespace plumbline::curve_fit_test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kRounds = 9;

using Curve = std::vector<CurvePoint>;

// The law's values at 64, 128, ..., 8192, each measured kRounds times.
class Sweep {
 public:
  Sweep(uint64_t seed, const std::function<double(double)>& law, double outlier_rate = 0) {
    Noise noise(seed);
    for (int tokens = 64; tokens <= 8192; tokens *= 2) {
      const double x = tokens;
      std::vector<double> samples;
      for (int round = 0; round < kRounds; ++round) {
        const double outlier = noise.Uniform() < outlier_rate ? 5 : 1;
        samples.push_back(law(x) * noise.Factor(0.03) * outlier);
      }
      x_.push_back(x);
      samples_.push_back(samples);
    }
  }
  Curve Medians(absl::Span<const int64_t> rounds) const {
    Curve curve;
    for (size_t i = 0; i < x_.size(); ++i) {
      std::vector<double> drawn;
      for (const int64_t round : rounds) drawn.push_back(samples_[i][round]);
      curve.push_back({x_[i], Median(drawn)});
    }
    return curve;
  }

 private:
  std::vector<double> x_;
  std::vector<std::vector<double>> samples_;
};

Curve Law(const std::function<double(double)>& law) {
  Curve curve;
  for (int tokens = 64; tokens <= 8192; tokens *= 2) {
    const double x = tokens;
    curve.push_back({x, law(x)});
  }
  return curve;
}

double Quadratic(double n) { return 3e-5 * n + 2e-9 * n * n; }
double Line(double t) { return 0.02 + 1e-6 * t; }

BootstrapOptions Quick(uint64_t seed) {
  BootstrapOptions options;
  options.seed = seed;
  options.resamples = 200;
  return options;
}

TEST(FitTest, RecoversExactLaws) {
  const auto quadratic = FitLinearQuadratic(Law(Quadratic));
  ASSERT_TRUE(quadratic.ok()) << quadratic.status();
  EXPECT_NEAR(quadratic->first / 3e-5, 1, 1e-9);
  EXPECT_NEAR(quadratic->second / 2e-9, 1, 1e-9);
  EXPECT_LT(quadratic->largest_residual, 1e-9);
  const auto line = FitLine(Law(Line));
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_NEAR(line->first / 0.02, 1, 1e-9);
  EXPECT_NEAR(line->second / 1e-6, 1, 1e-9);
  // A law of another kind leaves a residual that shows it.
  EXPECT_GT(FitLine(Law(Quadratic))->largest_residual, 0.1);
}

// Both coefficients and the exponent lie in their intervals as often as those say, outliers or not.
TEST(FitTest, IntervalsHoldTheCoefficients) {
  const int sets = 150;
  for (const double outlier_rate : {0.0, 0.05}) {
    int64_t hits[4] = {};
    for (int set = 0; set < sets; ++set) {
      const Sweep prefill(set, Quadratic, outlier_rate);
      const Sweep decode(1000 + set, Line, outlier_rate);
      const Sweep power(
          2000 + set, [](double x) { return std::pow(x, 1.5); }, outlier_rate);
      const auto estimates = BootstrapRounds(
          kRounds,
          [&](absl::Span<const int64_t> rounds) {
            const auto quadratic = FitLinearQuadratic(prefill.Medians(rounds));
            const auto line = FitLine(decode.Medians(rounds));
            return std::vector<double>{quadratic->first, quadratic->second, line->second,
                                       GrowthExponent(power.Medians(rounds))};
          },
          Quick(set));
      ASSERT_TRUE(estimates.ok()) << estimates.status();
      const double truth[4] = {3e-5, 2e-9, 1e-6, 1.5};
      for (int i = 0; i < 4; ++i) hits[i] += (*estimates)[i].Contains(truth[i]);
    }
    for (const int64_t hit : hits) {
      EXPECT_GT(BinomialAtMost(hit, sets, 0.95), kImplausible) << hit << " at " << outlier_rate;
    }
  }
}

TEST(FitTest, OneWildPointHardlyMovesTheFit) {
  Curve curve = Law(Quadratic);
  curve[3].y *= 10;
  const auto fit = FitLinearQuadratic(curve);
  ASSERT_TRUE(fit.ok());
  EXPECT_NEAR(fit->first / 3e-5, 1, 1e-3);
  EXPECT_NEAR(fit->second / 2e-9, 1, 1e-3);
  EXPECT_NEAR(fit->largest_residual, 0.9, 1e-2);  // and it is not hidden
}

TEST(FitTest, DegenerateInputIsRefused) {
  EXPECT_FALSE(FitLine({}).ok());
  EXPECT_FALSE(FitLinearQuadratic({}).ok());
  const Curve two = {{1, 1}, {2, 2}, {2, 2}};
  EXPECT_FALSE(FitLine(two).ok());
  const Curve holes = {{1, kNaN}, {2, 2}, {3, -3}, {4, 0}, {5, kInfinity}, {6, 6}};
  EXPECT_FALSE(FitLine(holes).ok());
  EXPECT_EQ(Measured(holes).size(), 2U);
  const Curve equal = {{1, 2}, {2, 2}, {3, 2}};
  EXPECT_NEAR(FitLine(equal)->first, 2, 1e-12);
  EXPECT_NEAR(FitLine(equal)->second, 0, 1e-12);
}

TEST(GrowthTest, ExponentsAndDoublings) {
  const Curve square = Law([](double x) { return 7 * x * x; });
  EXPECT_NEAR(GrowthExponent(square), 2, 1e-12);
  EXPECT_NEAR(DoublingRatio(square, 128), 4, 1e-12);
  EXPECT_TRUE(std::isnan(DoublingRatio(square, 100)));
  EXPECT_TRUE(std::isnan(DoublingRatio(square, 8192)));
  EXPECT_TRUE(std::isnan(GrowthExponent({})));
  EXPECT_TRUE(std::isnan(GrowthExponent(Curve{{2, 2}})));
  EXPECT_TRUE(std::isnan(GrowthExponent(Curve{{2, 2}, {2, 3}})));
}

TEST(InterpolateTest, IsStraightInLogLog) {
  const Curve square = Law([](double x) { return x * x; });
  EXPECT_NEAR(Interpolate(square, 100), 1e4, 1e-8);
  EXPECT_EQ(Interpolate(square, 64), 4096);
  EXPECT_EQ(Interpolate(square, 8192), 8192.0 * 8192);
  EXPECT_TRUE(std::isnan(Interpolate(square, 63)));
  EXPECT_TRUE(std::isnan(Interpolate(square, 8193)));
  EXPECT_TRUE(std::isnan(Interpolate({}, 1)));
}

TEST(FirstReachingTest, WithinBeforeAndBeyond) {
  const Curve square = Law([](double x) { return x * x; });
  EXPECT_NEAR(FirstReaching(square, 1e6), 1000, 1e-8);
  EXPECT_EQ(FirstReaching(square, 4096), 0);
  EXPECT_EQ(FirstReaching(square, 1e9), kInfinity);
  EXPECT_TRUE(std::isnan(FirstReaching({}, 1)));
}

TEST(CrossoverTest, IntervalsHoldTheCrossing) {
  // 2 x^2 meets 3000 x at 1500: the lines between points in log-log are exact for powers.
  const int sets = 200;
  int64_t hits = 0;
  for (int set = 0; set < sets; ++set) {
    const Sweep a(set, [](double x) { return 2 * x * x; });
    const Sweep b(5000 + set, [](double x) { return 3000 * x; });
    const auto estimates = BootstrapRounds(
        kRounds,
        [&](absl::Span<const int64_t> rounds) {
          return std::vector<double>{Crossover(a.Medians(rounds), b.Medians(rounds))};
        },
        Quick(set));
    ASSERT_TRUE(estimates.ok());
    hits += estimates->front().Contains(1500);
  }
  EXPECT_GT(BinomialAtMost(hits, sets, 0.95), kImplausible) << hits;
}

TEST(CrossoverTest, NotReachedAlreadyAboveAndUnknown) {
  const Curve rising = Law([](double x) { return x * x; });
  const Curve low = Law([](double) { return 1.0; });
  const Curve high = Law([](double x) { return 1e5 * x; });
  EXPECT_EQ(Crossover(rising, high), kInfinity);
  EXPECT_EQ(Crossover(rising, low), 0);
  EXPECT_EQ(Crossover(rising, rising), kInfinity);  // never above itself
  EXPECT_TRUE(std::isnan(Crossover(rising, {})));
  EXPECT_TRUE(std::isnan(Crossover(rising, Curve{{64, 1}, {65, 1}})));
  // Noise that crosses twice: the last one counts.
  const Curve a = {{1, 1}, {2, 3}, {4, 1}, {8, 4}};
  const Curve ones = {{1, 2}, {2, 2}, {4, 2}, {8, 2}};
  EXPECT_NEAR(Crossover(a, ones), 4 * std::sqrt(2.0), 1e-12);
}

}  // namespace
}  // namespace plumbline::curve_fit_test
