// Arrivals come as the process they are named after would have them.
#include "tools/load_arrivals.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::load_arrivals_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kEndless = std::numeric_limits<double>::infinity();

std::vector<double> Times(const std::string& text, int64_t count, double seconds = kEndless,
                          uint64_t seed = 1) {
  const auto spec = ParseArrivals(text);
  EXPECT_TRUE(spec.ok()) << spec.status();
  if (!spec.ok()) return {};
  LoadRandom random(seed);
  return ArrivalTimes(*spec, count, seconds, random);
}

// Standard deviation over mean of the gaps.
double GapVariation(const std::vector<double>& times) {
  const auto n = static_cast<double>(times.size() - 1);
  const double mean = (times.back() - times.front()) / n;
  double variance = 0;
  for (size_t i = 1; i < times.size(); ++i) {
    variance += std::pow(times[i] - times[i - 1] - mean, 2) / n;
  }
  return std::sqrt(variance) / mean;
}

TEST(LoadArrivals, AllComeAtOnce) { EXPECT_THAT(Times("all", 3), ElementsAre(0, 0, 0)); }

TEST(LoadArrivals, ConstantIsEvenWithoutDrift) {
  const std::vector<double> times = Times("constant:3", 3000001);
  EXPECT_EQ(times[1], 1.0 / 3);
  EXPECT_EQ(times.back(), 1e6);
}

TEST(LoadArrivals, PoissonAndGammaHaveTheirRateAndBurstiness) {
  constexpr int64_t kCount = 40000;
  for (const auto& [text, variation] :
       {std::pair("poisson:8", 1.0), std::pair("gamma:8,1", 1.0), std::pair("gamma:8,0.25", 2.0),
        std::pair("gamma:8,4", 0.5)}) {
    const std::vector<double> times = Times(text, kCount);
    ASSERT_EQ(times.size(), static_cast<size_t>(kCount)) << text;
    EXPECT_TRUE(std::is_sorted(times.begin(), times.end())) << text;
    // Five standard errors of the mean gap.
    const double error = 5 * variation / std::sqrt(kCount);
    EXPECT_NEAR(times.back() / kCount, 1.0 / 8, error / 8) << text;
    EXPECT_NEAR(GapVariation(times), variation, 0.06 * variation) << text;
  }
}

TEST(LoadArrivals, PoissonCountsHaveTheirVariance) {
  const std::vector<double> times = Times("poisson:5", 50000);
  std::vector<double> counts(static_cast<size_t>(times.back()));  // by second
  for (const double time : times) {
    if (time < static_cast<double>(counts.size())) ++counts[static_cast<size_t>(time)];
  }
  double variance = 0;
  for (const double count : counts) {
    variance += std::pow(count - 5, 2) / static_cast<double>(counts.size());
  }
  EXPECT_NEAR(variance, 5, 0.4);  // of some 10,000 counts: five standard errors
}

TEST(LoadArrivals, RampRises) {
  // 1 to 9 per second over 1000 seconds: 5000 arrivals, of which (1 + 5) / 2 x 500 in the first
  // half.
  const std::vector<double> times = Times("ramp:1,9", 1000000, 1000);
  EXPECT_NEAR(static_cast<double>(times.size()), 5000, 5 * std::sqrt(5000.0));
  const auto half = std::lower_bound(times.begin(), times.end(), 500.0) - times.begin();
  EXPECT_NEAR(static_cast<double>(half), 1500, 5 * std::sqrt(1500.0));
  EXPECT_LT(times.back(), 1000);
  // By number, it takes as long as so many take on average, and falling rates work.
  EXPECT_NEAR(Times("ramp:9,1", 5000).back(), 1000, 5 * std::sqrt(5000.0));
}

TEST(LoadArrivals, EndWithTheirDurationAndRepeatWithTheirSeed) {
  EXPECT_THAT(Times("constant:2", 100, 1.5), ElementsAre(0, 0.5, 1));
  const std::vector<double> times = Times("poisson:4", 100, 10);
  EXPECT_LT(times.back(), 10);
  EXPECT_EQ(times, Times("poisson:4", 100, 10));
  EXPECT_NE(times, Times("poisson:4", 100, 10, 2));
}

TEST(LoadArrivals, OtherRatesKeepTheKind) {
  const auto spec = ParseArrivals("gamma:8,0.5");
  ASSERT_TRUE(spec.ok());
  const ArrivalSpec other = AtRate(*spec, 2);
  EXPECT_EQ(other.text, "gamma:2,0.5");
  EXPECT_EQ(ParseArrivals(other.text)->burstiness, 0.5);
  EXPECT_TRUE(other.has_rate());
  EXPECT_FALSE(ParseArrivals("closed:3")->has_rate());
}

TEST(LoadArrivals, BadTextsAreRefusedWithTheReason) {
  for (const auto& [text, why] :
       std::vector<std::pair<std::string, std::string>>{{"", "no kind"},
                                                        {"sometimes:4", "\"sometimes\" is no kind"},
                                                        {"all:3", "takes 0 numbers, not 1"},
                                                        {"poisson", "takes 1 numbers, not 0"},
                                                        {"poisson:0", "a rate lies from"},
                                                        {"poisson:-2", "a rate lies from"},
                                                        {"poisson:1e9", "a rate lies from"},
                                                        {"poisson:nan", "no number"},
                                                        {"poisson:2,3", "takes 1 numbers, not 2"},
                                                        {"gamma:2", "takes 2 numbers, not 1"},
                                                        {"gamma:2,0", "burstiness lies"},
                                                        {"ramp:1,0", "a rate lies from"},
                                                        {"closed:0", "users are"},
                                                        {"closed:1.5", "users are"},
                                                        {"trace:", "needs a file"}}) {
    const auto spec = ParseArrivals(text);
    ASSERT_FALSE(spec.ok()) << text;
    EXPECT_THAT(std::string(spec.status().message()), HasSubstr(why)) << text;
  }
}

}  // namespace
}  // namespace plumbline::load_arrivals_test
