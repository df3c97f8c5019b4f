#include "scheduler/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace plumbline::sampler_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

int32_t Token(Sampler& sampler, const std::vector<float>& logits, const SamplingParams& params,
              const std::vector<int32_t>& history = {}, int index = 0) {
  const auto sampled = sampler.Sample(logits, params, history, index, 0);
  EXPECT_TRUE(sampled.ok()) << sampled.status();
  return sampled.ok() ? sampled->token : -1;
}

// How often each token is drawn, for the indices 0 to draws - 1 of one seed.
std::vector<int> Histogram(const std::vector<float>& logits, SamplingParams params, int draws) {
  Sampler sampler;
  std::vector<int> counts(logits.size(), 0);
  for (int i = 0; i < draws; ++i) ++counts[Token(sampler, logits, params, {}, i)];
  return counts;
}

// Pearson's statistic against weights that need not add up to 1, held to the bound of Laurent and
// Massart (2000, lemma 1): a chi-square variable of k degrees passes k + 2 sqrt(k x) + 2 x with a
// probability of at most exp(-x); here one in a billion.
void ExpectDistribution(const std::vector<int>& counts, const std::vector<double>& weights) {
  double total = 0;
  int draws = 0;
  int degrees = -1;
  for (size_t i = 0; i < weights.size(); ++i) {
    total += weights[i];
    draws += counts[i];
    degrees += weights[i] > 0 ? 1 : 0;
  }
  double statistic = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) {
      EXPECT_EQ(counts[i], 0) << "token " << i << " was cut, but drawn";
      continue;
    }
    const double expected = draws * weights[i] / total;
    statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  const double x = std::log(1e9);
  EXPECT_LT(statistic, degrees + 2 * std::sqrt(degrees * x) + 2 * x);
}

TEST(Sampler, GreedyTakesTheLargestAndOfEqualOnesTheLowestId) {
  Sampler sampler;
  EXPECT_EQ(Token(sampler, {-3, 5, 2, 5, 5}, {}), 1);
  EXPECT_EQ(Token(sampler, {-kInf, -7, -kInf}, {}), 1);
  EXPECT_EQ(Token(sampler, {0}, {}), 0);
  EXPECT_EQ(Token(sampler, {1, std::nextafter(1.0f, 2.0f), 1}, {}), 1);
}

TEST(Sampler, TemperatureShapesTheDistribution) {
  SamplingParams params;
  params.temperature = 0.5;
  params.seed = 11;
  const std::vector<float> logits = {0, 0.5, 1, -0.25, -kInf, 0.75};
  std::vector<double> weights;
  weights.reserve(logits.size());
  for (const float logit : logits) weights.push_back(std::exp(logit / 0.5));
  ExpectDistribution(Histogram(logits, params, 50000), weights);
}

TEST(Sampler, HugeLogitsAndTinyTemperaturesDoNotOverflow) {
  Sampler sampler;
  SamplingParams params;
  params.temperature = std::numeric_limits<double>::denorm_min();
  EXPECT_EQ(Token(sampler, {1, 2, 3, -kInf}, params), 2);
  params.temperature = 1;
  EXPECT_EQ(Token(sampler, {3e38f, -3e38f}, params), 0);
  EXPECT_EQ(Token(sampler, {-3e38f, -kInf}, params), 0);
}

TEST(Sampler, TopKKeepsTheKBestLowestIdsFirst) {
  SamplingParams params;
  params.temperature = 1;
  params.top_k = 3;
  params.seed = 5;
  const std::vector<float> logits = {0, 1, 2, 1, 1, -1};  // of the three ones, two fit
  ExpectDistribution(Histogram(logits, params, 20000),
                     {0, std::exp(1), std::exp(2), std::exp(1), 0, 0});
  params.top_k = 1;
  EXPECT_EQ(Histogram(logits, params, 100)[2], 100);
  params.top_k = 100;  // more than there are: off
  EXPECT_GT(Histogram(logits, params, 2000)[5], 0);
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesP) {
  SamplingParams params;
  params.temperature = 1;
  params.seed = 6;
  // Shares 0.1, 0.4, 0.2, 0.3.
  const std::vector<float> logits = {std::log(1.0f), std::log(4.0f), std::log(2.0f),
                                     std::log(3.0f)};
  params.top_p = 0.65;
  ExpectDistribution(Histogram(logits, params, 20000), {0, 4, 0, 3});
  params.top_p = 0.75;
  ExpectDistribution(Histogram(logits, params, 20000), {0, 4, 2, 3});
  params.top_p = 1e-12;  // at least one stays
  EXPECT_EQ(Histogram(logits, params, 100)[1], 100);
}

TEST(Sampler, MinPIsRelativeToTheMostLikely) {
  SamplingParams params;
  params.temperature = 1;
  params.seed = 7;
  params.min_p = 0.45;
  const std::vector<float> logits = {std::log(1.0f), std::log(4.0f), std::log(2.0f),
                                     std::log(3.0f)};
  ExpectDistribution(Histogram(logits, params, 20000), {0, 4, 2, 3});
  params.min_p = 1;
  EXPECT_EQ(Histogram(logits, params, 100)[1], 100);
}

TEST(Sampler, CutsApplyInTheirOrder) {
  SamplingParams params;
  params.temperature = 1;
  params.seed = 8;
  params.top_k = 2;    // leaves 4 and 3
  params.top_p = 0.5;  // 4 / 7 reaches it; of all five, 4 / 11 would not
  const std::vector<float> logits = {std::log(1.0f), std::log(4.0f), std::log(2.0f), std::log(3.0f),
                                     std::log(1.0f)};
  EXPECT_EQ(Histogram(logits, params, 200)[1], 200);
}

TEST(Sampler, RepeatPenaltyActsOncePerTokenAndAlwaysDown) {
  Sampler sampler;
  SamplingParams params;
  params.repeat_penalty = 2;
  EXPECT_EQ(Token(sampler, {4, 3, 1}, params, {0}), 1);            // 2, 3, 1
  EXPECT_EQ(Token(sampler, {4, 1.5, 1}, params, {0, 0, 0}), 0);    // 2, not 0.5
  EXPECT_EQ(Token(sampler, {-1, -1.5, -4}, params, {0}), 1);       // -2, -1.5, -4
  EXPECT_EQ(Token(sampler, {4, 3, 1}, params, {0, 1, 7, -1}), 0);  // 2, 1.5, 1; others ignored
  EXPECT_EQ(Token(sampler, {4, 3, 1}, params, {}),
            0);  // nothing is left over from the calls before
  params.repeat_penalty = 0.5;
  EXPECT_EQ(Token(sampler, {4, 3, 1}, params, {1}), 1);  // 4, 6, 1
}

TEST(Sampler, RepeatPenaltyComesBeforeTemperature) {
  SamplingParams params;
  params.temperature = 2;
  params.repeat_penalty = 4;
  params.seed = 3;
  Sampler sampler;
  std::vector<int> counts(2, 0);
  for (int i = 0; i < 20000; ++i) ++counts[Token(sampler, {4, 0}, params, {0}, i)];
  ExpectDistribution(counts, {std::exp(4.0 / 4 / 2), 1});
}

TEST(Sampler, DrawsDependOnSeedAndIndexAlone) {
  const std::vector<float> logits(64, 0.0f);
  SamplingParams params;
  params.temperature = 1;
  params.seed = 42;
  Sampler used;
  std::vector<int32_t> first;
  first.reserve(200);
  for (int i = 0; i < 200; ++i) first.push_back(Token(used, logits, params, {}, i));
  Token(used, std::vector<float>(1000, 1.0f), params);  // other scratch
  for (int i = 199; i >= 0; --i) {
    Sampler fresh;
    EXPECT_EQ(Token(fresh, logits, params, {}, i), first[i]);
    EXPECT_EQ(Token(used, logits, params, {}, i), first[i]);
  }
  EXPECT_GT(std::set<int32_t>(first.begin(), first.end()).size(), 32u);
  params.seed = 43;
  int equal = 0;
  for (int i = 0; i < 200; ++i) equal += Token(used, logits, params, {}, i) == first[i] ? 1 : 0;
  EXPECT_LT(equal, 100) << "another seed repeats the draws";
}

// The generator is part of what a seed means: these were worked out apart, in Python's integers.
TEST(Sampler, DrawsAreTheSameOnEveryPlatform) {
  const std::vector<float> logits(1 << 16, 0.0f);
  SamplingParams params;
  params.temperature = 1;
  Sampler sampler;
  const struct {
    uint64_t seed;
    int index;
    int32_t token;
  } cases[] = {{0, 0, 42758},
               {0, 1, 45954},
               {1, 0, 24129},
               {42, 7, 48150},
               {18446744073709551615u, 100000, 8142}};
  for (const auto& c : cases) {
    params.seed = c.seed;
    EXPECT_EQ(Token(sampler, logits, params, {}, c.index), c.token)
        << "seed " << c.seed << ", index " << c.index;
  }
}

TEST(Sampler, LogprobsAreTheModelsOwnBestFirst) {
  Sampler sampler;
  SamplingParams params;
  params.temperature = 1;
  params.top_k = 1;
  params.repeat_penalty = 3;
  const std::vector<float> logits = {std::log(1.0f), std::log(4.0f), std::log(2.0f),
                                     std::log(1.0f)};
  const std::vector<int32_t> history = {1};
  const auto sampled = sampler.Sample(logits, params, history, 0, 4);
  ASSERT_TRUE(sampled.ok());
  std::vector<int32_t> ids;
  for (const TokenLogprob& entry : sampled->logprobs) {
    ids.push_back(entry.token);
    const double exact = std::log(std::exp(static_cast<double>(logits[entry.token])) /
                                  (std::exp(double{logits[0]}) + std::exp(double{logits[1]}) +
                                   std::exp(double{logits[2]}) + std::exp(double{logits[3]})));
    // Computed in double and rounded once: half a float's epsilon, and doubled for the double's.
    EXPECT_NEAR(entry.logprob, exact, std::abs(exact) * std::numeric_limits<float>::epsilon());
  }
  EXPECT_THAT(ids, ElementsAre(1, 2, 0, 3));
}

TEST(Sampler, LogprobsAreCutToTheVocabularyAndEmptyUnlessAsked) {
  Sampler sampler;
  const std::vector<float> logits = {1, 3, -kInf};
  EXPECT_EQ(sampler.Sample(logits, {}, {}, 0, 50)->logprobs.size(), 3u);
  EXPECT_EQ(sampler.Sample(logits, {}, {}, 0, 50)->logprobs[2].logprob, -kInf);
  EXPECT_EQ(sampler.Sample(logits, {}, {}, 0, 1)->logprobs.size(), 1u);
  EXPECT_THAT(sampler.Sample(logits, {}, {}, 0, 0)->logprobs, IsEmpty());
}

TEST(Sampler, LogitsWithoutMeaningAreAnError) {
  Sampler sampler;
  const std::vector<std::vector<float>> bad = {{1, kNan, 2},   {kNan, 1}, {1, 2, kInf}, {kInf},
                                               {-kInf, -kInf}, {},        {-kInf, kNan}};
  for (const double temperature : {0.0, 1.0}) {
    SamplingParams params;
    params.temperature = temperature;
    for (const std::vector<float>& logits : bad) {
      EXPECT_EQ(sampler.Sample(logits, params, {}, 0, 2).status().code(),
                absl::StatusCode::kInternal);
    }
  }
  EXPECT_THAT(std::string(sampler.Sample(bad[0], {}, {}, 0, 0).status().message()),
              HasSubstr("token 1"));
}

TEST(ValidateSampling, NamesWhatIsOutOfRange) {
  EXPECT_TRUE(ValidateSampling({}).ok());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  const struct {
    std::string name;
    SamplingParams params;
  } cases[] = {{"temperature", {.temperature = -0.1}},
               {"temperature", {.temperature = nan}},
               {"temperature", {.temperature = inf}},
               {"top_k", {.top_k = -1}},
               {"top_p", {.top_p = 0}},
               {"top_p", {.top_p = 1.01}},
               {"top_p", {.top_p = nan}},
               {"min_p", {.min_p = -0.1}},
               {"min_p", {.min_p = 1.1}},
               {"min_p", {.min_p = nan}},
               {"repeat_penalty", {.repeat_penalty = 0}},
               {"repeat_penalty", {.repeat_penalty = -1}},
               {"repeat_penalty", {.repeat_penalty = nan}},
               {"repeat_penalty", {.repeat_penalty = inf}}};
  for (const auto& c : cases) {
    const absl::Status status = ValidateSampling(c.params);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.name));
  }
}

}  // namespace
}  // namespace plumbline::sampler_test
