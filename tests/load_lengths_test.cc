// Lengths hold the moments that their text names; texts that name none are refused.
#include "tools/load_lengths.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::load_lengths_test {
namespace {

using testing::HasSubstr;

struct Moments {
  double mean = 0;
  double deviation = 0;
  int64_t least = 0;
  int64_t most = 0;
};

constexpr int kDraws = 20000;

Moments Draw(const std::string& text) {
  const auto lengths = LengthDistribution::Parse(text);
  EXPECT_TRUE(lengths.ok()) << lengths.status();
  if (!lengths.ok()) return {};
  EXPECT_EQ(lengths->text(), text);
  LoadRandom random(7);
  std::vector<int64_t> draws;
  draws.reserve(kDraws);
  for (int i = 0; i < kDraws; ++i) draws.push_back(lengths->Draw(random));
  Moments moments;
  for (const int64_t draw : draws) moments.mean += static_cast<double>(draw) / kDraws;
  for (const int64_t draw : draws) {
    moments.deviation += std::pow(static_cast<double>(draw) - moments.mean, 2) / kDraws;
  }
  moments.deviation = std::sqrt(moments.deviation);
  moments.least = *std::min_element(draws.begin(), draws.end());
  moments.most = *std::max_element(draws.begin(), draws.end());
  return moments;
}

TEST(LoadLengths, FixedIsAlwaysTheSame) {
  for (const char* text : {"17", "fixed:17"}) {
    const Moments moments = Draw(text);
    EXPECT_EQ(moments.least, 17);
    EXPECT_EQ(moments.most, 17);
  }
}

TEST(LoadLengths, UniformHoldsBothEnds) {
  const Moments moments = Draw("uniform:3,12");
  EXPECT_EQ(moments.least, 3);
  EXPECT_EQ(moments.most, 12);
  // Five standard errors of the mean of n draws; the deviation of 10 whole numbers.
  const double deviation = std::sqrt(99.0 / 12);
  EXPECT_NEAR(moments.mean, 7.5, 5 * deviation / std::sqrt(kDraws));
  EXPECT_NEAR(moments.deviation, deviation, 0.05);
}

TEST(LoadLengths, MeanAndDeviationAreThoseOfTheLengths) {
  for (const char* text : {"normal:500,100", "lognormal:500,100"}) {
    const Moments moments = Draw(text);
    EXPECT_NEAR(moments.mean, 500, 5 * 100 / std::sqrt(kDraws)) << text;
    EXPECT_NEAR(moments.deviation, 100, 4) << text;
  }
  // Heavy-tailed: the median of exp(N(mu, sigma)) lies well below its mean.
  const auto lengths = LengthDistribution::Parse("lognormal:1000,1000");
  ASSERT_TRUE(lengths.ok());
  LoadRandom random(3);
  int below = 0;
  for (int i = 0; i < kDraws; ++i) below += lengths->Draw(random) < 707 ? 1 : 0;
  // exp(mu) = mean / sqrt(1 + cv^2) = 707.1
  EXPECT_NEAR(below, kDraws / 2.0, 5 * std::sqrt(kDraws) / 2);
  EXPECT_EQ(lengths->mean(), 1000);
}

TEST(LoadLengths, DrawsStayWithinTheLimits) {
  EXPECT_EQ(Draw("normal:1,50").least, 1);
  EXPECT_EQ(Draw("lognormal:16777216,16777216").most, kMostLength);
}

TEST(LoadLengths, FileIsDrawnEvenly) {
  const std::string path = testing::TempDir() + "/lengths.txt";
  std::ofstream(path) << "# tokens\n5\n\n 7 \n7\n";
  const auto lengths = LengthDistribution::Parse("file:" + path);
  ASSERT_TRUE(lengths.ok()) << lengths.status();
  LoadRandom random(1);
  std::map<int64_t, int> counts;
  for (int i = 0; i < 3000; ++i) ++counts[lengths->Draw(random)];
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_NEAR(counts[5], 1000, 130);  // five standard deviations
  EXPECT_NEAR(lengths->mean(), 19.0 / 3, 1e-12);
}

TEST(LoadLengths, BadTextsAreRefusedWithTheReason) {
  const std::string path = testing::TempDir() + "/bad-lengths.txt";
  std::ofstream(path) << "5\n-1\n";
  const std::string empty = testing::TempDir() + "/no-lengths.txt";
  std::ofstream(empty) << "# nothing\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "no number"},
      {"0", "whole number from 1"},
      {"1.5", "whole number from 1"},
      {"16777217", "whole number from 1"},
      {"nan", "no number"},
      {"inf", "no number"},
      {"1e300", "whole number from 1"},
      {"uniform:5", "takes 2 numbers, not 1"},
      {"uniform:5,3", "the second number is the larger"},
      {"uniform:0,3", "whole number from 1"},
      {"normal:5,3,1", "takes 2 numbers, not 3"},
      {"normal:0,3", "a mean lies"},
      {"lognormal:5,-1", "a standard deviation lies"},
      {"zipf:5,1", "\"zipf\" is no distribution"},
      {"file:/nonexistent/lengths", "cannot be read"},
      {"file:" + path, "line 2"},
      {"file:" + empty, "has no length"}};
  for (const auto& [text, why] : cases) {
    const auto lengths = LengthDistribution::Parse(text);
    ASSERT_FALSE(lengths.ok()) << text;
    EXPECT_THAT(std::string(lengths.status().message()), HasSubstr(why)) << text;
  }
}

}  // namespace
}  // namespace plumbline::load_lengths_test
