#include "tools/scale_analysis.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/noisy_curves.h"
#include "tests/support/scale_law.h"
#include "tools/scale_formulas.h"

namespace plumbline::scale_analysis_test {
namespace {

using ::testing::HasSubstr;

ScaleAnalysisOptions Quick(uint64_t seed = 1) {
  ScaleAnalysisOptions options;
  options.seed = seed;
  options.resamples = 200;
  return options;
}

// REQUIRES: one model.
ScaleModelFindings Analysed(const LawStudy& study, const ScaleAnalysisOptions& options = Quick()) {
  auto findings = AnalyseScale(study.data, options);
  EXPECT_TRUE(findings.ok()) << findings.status();
  EXPECT_EQ(findings->models.size(), 1U);
  return findings->models.front();
}

// The law's a and b: time of a prefill is a n + b n^2 exactly.
struct Coefficients {
  double a;
  double b;
};
Coefficients LawOf(const ScaleLaw& law, const CostShape& s) {
  const auto layers = static_cast<double>(s.L);
  const double pair =
      static_cast<double>(s.h) *
      (static_cast<double>(s.e) * law.seconds_per_core_mac + law.seconds_per_softmax_pair / 2);
  const double linear = 12.0 * static_cast<double>(s.d * s.d) * law.seconds_per_mac;
  return {layers * (linear + pair) + law.other_seconds_per_token, layers * pair};
}
// Where the law's attention takes as long as its feed-forward.
double FeedForwardCrossing(const ScaleLaw& law, const CostShape& s) {
  const double layers = static_cast<double>(s.L);
  const double feed_forward = layers * 8.0 * static_cast<double>(s.d * s.d) * law.seconds_per_mac;
  return feed_forward / LawOf(law, s).b - 1;
}

const ScaleCrossing& Find(const ScaleModelFindings& findings, const std::string& what) {
  for (const ScaleCrossing& crossing : findings.crossings) {
    if (crossing.what == what) return crossing;
  }
  ADD_FAILURE() << "no crossing " << what;
  return findings.crossings.front();
}

// Figures of known laws lie in their intervals as often as those claim, with drift and outliers in
// the samples.
TEST(ScaleAnalysisTest, GivesBackTheLawThatStudiesWereMadeFrom) {
  const int studies = 24;
  int64_t hits[5] = {};
  for (int seed = 1; seed <= studies; ++seed) {
    ScaleLaw law;
    law.seed = seed;
    law.outlier_rate = 0.03;
    LawStudy study(law);
    study.AddMainSweeps(SmallShape(), 8192);
    const ScaleModelFindings findings = Analysed(study, Quick(seed));
    const Coefficients truth = LawOf(law, SmallShape());
    hits[0] += findings.prefill_fit.a.Contains(truth.a);
    hits[1] += findings.prefill_fit.b.Contains(truth.b);
    hits[2] += Find(findings, "attention = feed-forward")
                   .measured.Contains(FeedForwardCrossing(law, SmallShape()));
    hits[3] += Find(findings, "quadratic = linear part").measured.Contains(truth.a / truth.b);
    // 2 (2n + 1) / (n + 1) for the causal triangle.
    hits[4] += findings.prefill_doublings.back().attention.Contains(4 * 4096.5 / 4097);
    EXPECT_LT(findings.prefill_fit.largest_residual, 0.1);
  }
  for (const int64_t hit : hits) {
    EXPECT_GT(BinomialAtMost(hit, studies, 0.95), kImplausible) << hit << " of " << studies;
  }
}

TEST(ScaleAnalysisTest, DecodeLineAndDoublings) {
  ScaleLaw law;
  law.spread = 0;
  LawStudy study(law);
  study.AddMainSweeps(SmallShape(), 4096);
  const ScaleModelFindings findings = Analysed(study);
  const auto layers = 12.0;
  // Each token of context adds 2 h e products and h scores to every layer.
  EXPECT_NEAR(findings.decode_fit.b.value,
              layers * (2 * 768 * law.seconds_per_core_mac + 12 * law.seconds_per_softmax_pair),
              1e-15);
  EXPECT_NEAR(findings.decode_fit.a.value,
              layers * 12 * 768 * 768 * law.seconds_per_mac + law.other_seconds_per_token, 1e-9);
  ASSERT_EQ(findings.prefill_doublings.size(), 5U);
  const ScaleDoubling& doubling = findings.prefill_doublings[3];
  EXPECT_EQ(doubling.tokens, 1024);
  EXPECT_NEAR(doubling.full_layer, 2.0 * (2 * 1024 + 6 * 768) / (1024 + 6 * 768), 1e-12);
  EXPECT_NEAR(doubling.causal_macs,
              static_cast<double>(PrefillMacs(SmallShape(), 2048)) /
                  static_cast<double>(PrefillMacs(SmallShape(), 1024)),
              1e-12);
  EXPECT_EQ(findings.prefill.back().repetitions, law.repetitions);
  EXPECT_GT(findings.prefill_exponent.value, 1);
  EXPECT_LT(findings.prefill_exponent.value, 2);
}

TEST(ScaleAnalysisTest, CrossingsStandBesideFormulas) {
  ScaleLaw law;
  LawStudy study(law);
  study.AddMainSweeps(SmallShape(), 2048);
  const ScaleModelFindings findings = Analysed(study);
  const ScaleCrossing& crossing = Find(findings, "attention = feed-forward");
  // Table of crossings at d = 768: 8d - 1 causal, 4d for the full square.
  EXPECT_EQ(crossing.counted, 6143);
  EXPECT_EQ(crossing.full, 3072);
  EXPECT_EQ(crossing.full_id, "D_CROSS_FFN_FULL");
  EXPECT_TRUE(std::isinf(crossing.measured.value));  // the sweep ends at 2048
  EXPECT_EQ(crossing.last_tokens, 2048);
  EXPECT_NEAR(crossing.extrapolated / FeedForwardCrossing(law, SmallShape()), 1, 0.1);
  EXPECT_EQ(Find(findings, "quadratic = linear part").counted, 9215);
  EXPECT_TRUE(std::isinf(Find(findings, "quadratic = linear part").measured.value));
  EXPECT_EQ(Find(findings, "decode: attention = matrices").full, 4608);
  EXPECT_EQ(Find(findings, "decode: cache = weights").counted, 4608);
  // A law whose attention is dear meets the feed-forward before the sweep begins.
  law.seconds_per_core_mac = 1e-8;
  LawStudy dear(law);
  dear.AddMainSweeps(SmallShape(), 2048);
  EXPECT_EQ(Find(Analysed(dear), "attention = feed-forward").measured.value, 0);
}

TEST(ScaleAnalysisTest, SharesStandBesideTheArticles) {
  ScaleLaw law;
  law.spread = 0.01;
  LawStudy study(law);
  study.AddMainSweeps(SmallShape(), 4096);
  const ScaleModelFindings findings = Analysed(study);
  ASSERT_EQ(findings.shares.size(), 6U);
  const ScaleShare& share = findings.shares[1];
  EXPECT_EQ(share.tokens, 256);
  EXPECT_NEAR(share.article_attention, 5.2631578947, 1e-9);
  EXPECT_NEAR(share.article_projections, 31.578947368, 1e-9);
  EXPECT_NEAR(share.article_feed_forward, 63.157894737, 1e-9);
  EXPECT_NEAR(share.causal_attention, 2.712973714768289, 1e-9);
  EXPECT_NEAR(share.causal_projections, 32.4290087617439, 1e-9);
  EXPECT_NEAR(share.causal_feed_forward, 64.8580175234878, 1e-9);
  const double pairs = 256 * 257 / 2.0;
  const double softmax = 3 * 12 * pairs;
  EXPECT_NEAR(share.softmax_operations,
              100 * softmax / (softmax + 2 * 768 * pairs + 12.0 * 256 * 768 * 768), 1e-9);
  double timed = 0;
  double counted = 0;
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    timed += share.timed[c].value;
    counted += share.counted[c];
  }
  EXPECT_NEAR(timed, 100, 0.5);  // medians of parts need not add up exactly
  EXPECT_NEAR(counted, 100, 1e-9);
}

TEST(ScaleAnalysisTest, ThresholdsAreInterpolatedOrMarkedAsExtrapolated) {
  ScaleLaw law;
  law.spread = 0;
  LawStudy study(law);
  study.AddMainSweeps(SmallShape(), 512);
  const ScaleModelFindings findings = Analysed(study);
  const Coefficients truth = LawOf(law, SmallShape());
  ASSERT_EQ(findings.thresholds.size(), 2U);
  const auto reached = [&](double seconds) {
    return (-truth.a + std::sqrt(truth.a * truth.a + 4 * truth.b * seconds)) / (2 * truth.b);
  };
  // 100 ms is passed before the first length, 1 s after the last.
  EXPECT_EQ(findings.thresholds[0].measured.value, 0);
  EXPECT_NEAR(findings.thresholds[0].extrapolated, reached(0.1), 1e-3);
  EXPECT_TRUE(std::isinf(findings.thresholds[1].measured.value));
  EXPECT_NEAR(findings.thresholds[1].extrapolated, reached(1), 1e-3);
  // Between two lengths the line is straight in log-log, so not exact.
  LawStudy longer(law);
  longer.AddMainSweeps(SmallShape(), 1024);
  EXPECT_NEAR(Analysed(longer).thresholds[1].measured.value / reached(1), 1, 0.01);
}

TEST(ScaleAnalysisTest, DriftIsFlaggedAndOutliersAreCounted) {
  ScaleLaw law;
  LawStudy steady(law);
  steady.AddMainSweeps(SmallShape(), 4096);
  const ScaleSteadiness calm = Analysed(steady).steadiness;
  EXPECT_EQ(calm.samples, 12 * law.repetitions);
  EXPECT_FALSE(calm.drift.flagged) << calm.drift.p_value;
  law.drift = 0.2;
  law.outlier_rate = 0.05;
  LawStudy drifting(law);
  drifting.AddMainSweeps(SmallShape(), 4096);
  const ScaleModelFindings findings = Analysed(drifting);
  EXPECT_TRUE(findings.steadiness.drift.flagged);
  EXPECT_NEAR(findings.steadiness.drift.relative_change, 0.2 / 1.1, 0.05);
  EXPECT_GT(findings.steadiness.outliers, calm.outliers);
  // Shares are of one pass: drift and outliers do not reach them.
  const ScaleShare calm_share = Analysed(steady).shares.back();
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    if (c == static_cast<size_t>(WorkClass::kHead)) continue;  // this shape has none
    EXPECT_NEAR(findings.shares.back().timed[c].value / calm_share.timed[c].value, 1, 0.05) << c;
  }
}

TEST(ScaleAnalysisTest, OneWrongCountIsFoundAndNamed) {
  LawStudy study(ScaleLaw{});
  study.AddMainSweeps(SmallShape(), 512);
  ScaleExactness exactness = Analysed(study).exactness;
  EXPECT_GT(exactness.compared, 0);
  EXPECT_EQ(exactness.equal, exactness.compared);
  EXPECT_EQ(exactness.first_difference, "");
  ++study.data.samples[2].macs.executed[static_cast<size_t>(WorkClass::kScores)];
  exactness = Analysed(study).exactness;
  EXPECT_EQ(exactness.equal, exactness.compared - 1);
  EXPECT_THAT(exactness.first_difference,
              HasSubstr("executed products of scores, prefill at 128 tokens"));
}

TEST(ScaleAnalysisTest, PredictionsAreHeldAgainstTimes) {
  ScaleLaw law;
  law.spread = 0;
  LawStudy study(law);
  study.Add(ScaleSweep::kPrefill, SmallShape(), 512, false, 1.25);
  study.Add(ScaleSweep::kPrefill, SmallShape(), 1024, false, 2);
  study.Add(ScaleSweep::kDecode, SmallShape(), 512, true);
  const ScaleModelFindings findings = Analysed(study);
  ASSERT_EQ(findings.predictions.size(), 2U);
  const ScalePredictionError& prefill = findings.predictions[0];
  EXPECT_EQ(prefill.of, "prefill");
  EXPECT_EQ(prefill.samples, 2 * law.repetitions);
  EXPECT_NEAR(prefill.median, 0.35, 1e-9);  // between 0.2 and 0.5
  EXPECT_NEAR(prefill.p90, 0.5, 1e-9);
  EXPECT_NEAR(prefill.largest, -0.5, 1e-9);
  EXPECT_EQ(prefill.largest_tokens, 1024);
  EXPECT_EQ(prefill.largest_class, WorkClassName(WorkClass::kFeedForward));
  EXPECT_NEAR(findings.predictions[1].median, 0, 1e-12);
  for (ScaleSample& sample : study.data.samples) sample.predicted_seconds = -1;
  EXPECT_TRUE(Analysed(study).predictions.empty());  // no profile
}

TEST(ScaleAnalysisTest, TheHostsTablesFollowTheArticles) {
  LawStudy study(ScaleLaw{});
  study.Add(ScaleSweep::kPrefill, SmallShape(), 1024, false);
  ScaleAnalysisOptions options = Quick();
  options.free_memory_bytes = 24'000'000'000;
  const ScaleModelFindings findings = Analysed(study, options);
  EXPECT_EQ(findings.host.max_tokens_all_layers, 7637);
  EXPECT_EQ(findings.host.max_tokens_one_layer, 26457);
  EXPECT_EQ(findings.host.max_tokens_no_scores, std::floor(0.7 * 24e9 / (2.0 * 12 * 768 * 4)));
  EXPECT_DOUBLE_EQ(findings.host.tflops, 0.2);
  // 2 n^2 d L / rate.
  EXPECT_NEAR(findings.prefill[0].article_ms, 1000 * 2.0 * 1024 * 1024 * 768 * 12 / 0.2e12, 1e-9);
  EXPECT_NEAR(findings.prefill[0].article_tokens_per_second, 0.2e12 / (2.0 * 1024 * 768 * 12),
              1e-6);
}

TEST(ScaleAnalysisTest, RefusesDataThatContradictsItself) {
  LawStudy study(ScaleLaw{});
  study.Add(ScaleSweep::kPrefill, SmallShape(), 128, false);
  const auto refused = [](const ScaleData& data) {
    return AnalyseScale(data, Quick()).status().code() == absl::StatusCode::kInvalidArgument;
  };
  ScaleData data = study.data;
  data.samples[0].point = 1;
  EXPECT_TRUE(refused(data));
  data.samples[0].point = -1;
  EXPECT_TRUE(refused(data));
  data = study.data;
  data.samples[0].repetition = -1;
  EXPECT_TRUE(refused(data));
  data.samples[0].repetition = 1 << 20;
  EXPECT_TRUE(refused(data));
  data.samples[0].repetition = 1;
  EXPECT_TRUE(refused(data));
  data = study.data;
  data.points[0].tokens = 0;
  EXPECT_TRUE(refused(data));
  ScaleAnalysisOptions options;
  options.resamples = 0;
  EXPECT_FALSE(AnalyseScale(study.data, options).ok());
}

}  // namespace
}  // namespace plumbline::scale_analysis_test
