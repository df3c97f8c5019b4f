// The analysis of sweeps other than length, of counter-examples and claims, and of little data.
#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/scale_law.h"
#include "tools/scale_analysis.h"
#include "tools/scale_findings_json.h"
#include "tools/scale_summary.h"
#include "tools/table.h"

namespace plumbline::scale_sweeps_analysis_test {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

ScaleFindings Analysed(const ScaleData& data) {
  ScaleAnalysisOptions options;
  options.resamples = 200;
  auto findings = AnalyseScale(data, options);
  EXPECT_TRUE(findings.ok()) << findings.status();
  return *findings;
}

ScaleVerdict VerdictOf(const ScaleModelFindings& model, const std::string& id) {
  for (const ScaleClaim& claim : model.claims) {
    if (claim.id == id) return claim.verdict;
  }
  ADD_FAILURE() << "no claim " << id;
  return ScaleVerdict::kNotMeasured;
}

const ScaleVariants* Find(const ScaleModelFindings& model, const std::string& name) {
  for (const ScaleVariants& variants : model.variants) {
    if (variants.name == name) return &variants;
  }
  return nullptr;
}

TEST(ScaleVariantsTest, BelongToTheirModelAndFollowTheirLaw) {
  const ScaleFindings findings = Analysed(WholeStudy(2048).data);
  ASSERT_EQ(findings.models.size(), 1U);
  const ScaleModelFindings& model = findings.models[0];
  EXPECT_EQ(model.model, "synthetic:gpt2-small");
  EXPECT_EQ(model.shape.L, 12);
  const ScaleVariants* layers = Find(model, "layers");
  ASSERT_NE(layers, nullptr);
  EXPECT_EQ(layers->base, 12);
  EXPECT_EQ(layers->rows.size(), 6U);
  EXPECT_NEAR(layers->prefill_exponent.value, 1, 0.05);
  EXPECT_NEAR(layers->decode_exponent.value, 1, 0.05);
  const ScaleVariants* heads = Find(model, "heads");
  ASSERT_NE(heads, nullptr);
  ASSERT_EQ(heads->rows.size(), 3U);
  EXPECT_EQ(heads->rows[0].value, 6);
  EXPECT_EQ(heads->rows[0].core_mac_ratio, 1);
  EXPECT_EQ(heads->rows[0].softmax_ratio, 0.5);
  EXPECT_EQ(heads->rows[2].softmax_ratio, 2);
  EXPECT_LT(heads->rows[0].attention_ratio.value, 1);
  const ScaleVariants* batch = Find(model, "batch");
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->rows[2].cache_byte_ratio, 8);
  EXPECT_NEAR(batch->rows[2].time_ratio.value, 8, 0.3);  // the law reads no weights
  const ScaleVariants* chunk = Find(model, "chunk");
  ASSERT_NE(chunk, nullptr);
  EXPECT_EQ(chunk->base, 512);
  EXPECT_TRUE(chunk->rows[0].time_ratio.Contains(1.5)) << chunk->rows[0].time_ratio.value;
}

TEST(ScaleContrastsTest, RatiosAndSentences) {
  const ScaleModelFindings model = Analysed(WholeStudy(512).data).models[0];
  int64_t stored = 0;
  for (const ScaleContrast& row : model.contrasts.rows) {
    if (row.name == "no cache / cached") {
      // Products of a prefill over those of a step: n of them, less the half of the square.
      EXPECT_GT(row.time_ratio.value, 0.9 * static_cast<double>(row.tokens));
      EXPECT_LT(row.time_ratio.value, static_cast<double>(row.tokens));
    }
    if (row.name == "paged / contiguous") {
      EXPECT_NEAR(row.time_ratio.value, 1, 0.05);
    }
    if (row.name != "stored, full / tiled") continue;
    ++stored;
    EXPECT_NEAR(row.time_ratio.value, 2.5, 0.1);
    EXPECT_EQ(row.mac_ratio, 1);
    EXPECT_EQ(row.peak_byte_ratio, 4.0 * 12 * row.tokens * row.tokens / (1 << 16));
  }
  EXPECT_EQ(stored, 3);
  EXPECT_THAT(model.contrasts.sentences,
              Contains(HasSubstr("(T + 2) / 3 = 171 times as many")));  // 514 / 3
  EXPECT_THAT(model.contrasts.sentences, Contains(HasSubstr("in chunks of 32 takes 1.")));
  EXPECT_THAT(model.contrasts.sentences, Contains(HasSubstr("cannot be told apart")));
}

TEST(ScaleClaimsTest, VerdictsFollowTheLaw) {
  const ScaleModelFindings model = Analysed(WholeStudy(8192).data).models[0];
  // Attention meets the feed-forward at 4418 tokens in this law.
  EXPECT_EQ(VerdictOf(model, "C2_CROSS_N_D"), ScaleVerdict::kDoesNotHold);
  EXPECT_EQ(VerdictOf(model, "C1_CROSS_512_1024"), ScaleVerdict::kDoesNotHold);
  EXPECT_EQ(VerdictOf(model, "C1_DOUBLE_N_X4"), ScaleVerdict::kHolds);
  EXPECT_EQ(VerdictOf(model, "C2_DOUBLING_4X"), ScaleVerdict::kDoesNotHold);
  EXPECT_EQ(VerdictOf(model, "C1_N1000_DOMINATES"), ScaleVerdict::kDoesNotHold);
  EXPECT_EQ(VerdictOf(model, "C1_FEW_HUNDRED"), ScaleVerdict::kHolds);
  EXPECT_EQ(VerdictOf(model, "C1_50PCT_OR_MORE"), ScaleVerdict::kHolds);
  EXPECT_EQ(VerdictOf(model, "C1_PROJ_STABLE"), ScaleVerdict::kDoesNotHold);
  EXPECT_EQ(VerdictOf(model, "C1_24_VS_12_LAYERS"), ScaleVerdict::kHolds);
  EXPECT_EQ(VerdictOf(model, "C2_HEADS_TOTAL"), ScaleVerdict::kHolds);
  EXPECT_EQ(VerdictOf(model, "C1_BATCH_LINEAR"), ScaleVerdict::kHolds);
  EXPECT_EQ(VerdictOf(model, "C1_OUTPUT_EQUALS_SCORES"), ScaleVerdict::kHolds);
  EXPECT_EQ(VerdictOf(model, "C1_SOFTMAX_ONE_HEAD"), ScaleVerdict::kDoesNotHold);
  EXPECT_EQ(VerdictOf(model, "C1_MEM_DOUBLE_X4"), ScaleVerdict::kHolds);
  EXPECT_EQ(VerdictOf(model, "C2_FLASH_ON"), ScaleVerdict::kHolds);
  EXPECT_EQ(VerdictOf(model, "C2_NAIVE_STEP"), ScaleVerdict::kDoesNotHold);
  // Sweeps too short to say.
  const ScaleModelFindings brief = Analysed(WholeStudy(512).data).models[0];
  EXPECT_EQ(VerdictOf(brief, "C2_CROSS_N_D"), ScaleVerdict::kNotReached);
  EXPECT_EQ(VerdictOf(brief, "C1_50PCT_OR_MORE"), ScaleVerdict::kNotReached);
  EXPECT_EQ(VerdictOf(brief, "C2_KV_GT_WEIGHTS"), ScaleVerdict::kNotReached);
  EXPECT_EQ(VerdictOf(brief, "C1_N1000_DOMINATES"), ScaleVerdict::kNotMeasured);
}

// Every line fits the terminal, and nothing unknown is printed as a number.
void ExpectTidy(const std::string& text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
    EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
  }
  EXPECT_THAT(text, Not(AnyOf(HasSubstr("nan"), HasSubstr("inf"))));
}

TEST(ScaleSummaryTest, ShowsWhatMattersMostOnTwoScreens) {
  const ScaleFindings findings = Analysed(WholeStudy(8192).data);
  const std::string text = ScaleSummary(findings, false);
  ExpectTidy(text);
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 60) << text;
  for (const char* part : {"a n + b n^2", "prefill n^", "attention = feed-forward",
                           "Do not hold here: ", "Hold here: ", "softmax", "stored, full / tiled",
                           "counts equal their formulas", "--verbose"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  const std::string all = ScaleSummary(findings, true);
  EXPECT_THAT(all, HasSubstr("Decode t to 2t"));
  EXPECT_THAT(text, Not(HasSubstr("Decode t to 2t")));
  for (const ScaleClaim& claim : findings.models[0].claims) {
    if (claim.verdict == ScaleVerdict::kNotMeasured) continue;
    EXPECT_THAT(all, HasSubstr(absl::StrCat("- ", claim.claim.substr(0, 40)))) << claim.id;
  }
}

TEST(ScaleSummaryTest, SaysWhatWasFoundInEightyColumns) {
  const std::string text = ScaleSummary(Analysed(WholeStudy(8192).data), true);
  ExpectTidy(text);
  EXPECT_THAT(text, HasSubstr("attention = feed-forward"));
  EXPECT_THAT(text, HasSubstr("counts equal their formulas, to the unit"));
  const size_t fails = text.find("Do not hold here:");
  const size_t claim = text.find("- Attention passes the feed-forward around n = d.");
  ASSERT_NE(fails, std::string::npos) << text;
  ASSERT_NE(claim, std::string::npos) << text;
  EXPECT_LT(fails, claim);
  EXPECT_LT(claim, text.find("Hold here:"));
}

TEST(ScaleAnalysisOfLittleTest, IsUnknownWhereNothingWasMeasured) {
  EXPECT_TRUE(Analysed({}).models.empty());
  EXPECT_EQ(ScaleSummary({}, false), "Nothing was measured.\n");
  LawStudy study(ScaleLaw{});
  study.Add(ScaleSweep::kPrefill, SmallShape(), 512, false);
  ScaleData data = study.data;
  data.samples.clear();
  EXPECT_TRUE(Analysed(data).models.empty());  // stopped before the first sample
  const ScaleModelFindings one = Analysed(study.data).models[0];
  EXPECT_TRUE(one.prefill[0].seconds.known());
  EXPECT_FALSE(one.prefill_fit.a.known());
  EXPECT_FALSE(one.decode_fit.a.known());
  EXPECT_FALSE(one.prefill_exponent.known());
  EXPECT_TRUE(one.prefill_doublings.empty());
  for (const ScaleCrossing& crossing : one.crossings) {
    EXPECT_FALSE(crossing.measured.known()) << crossing.what;
    EXPECT_TRUE(std::isnan(crossing.extrapolated)) << crossing.what;
  }
  for (const char* id : {"C2_DOUBLING_4X", "C2_CROSS_N_D", "C2_STEP_TD", "C2_FLASH_ON"}) {
    EXPECT_EQ(VerdictOf(one, id), ScaleVerdict::kNotMeasured) << id;
  }
  ExpectTidy(ScaleSummary(Analysed(study.data), true));
}

TEST(ScaleAnalysisOfLittleTest, VariantsAloneOrOneRepetitionOrNoClassTimes) {
  LawStudy study(ScaleLaw{});
  study.model = "synthetic:gpt2-small,layers=6";
  CostShape halved = SmallShape();
  halved.L = 6;
  study.Add(ScaleSweep::kLayers, halved, 512, false);
  const ScaleFindings alone = Analysed(study.data);
  ASSERT_EQ(alone.models.size(), 1U);
  EXPECT_EQ(alone.models[0].model, "synthetic:gpt2-small");
  ExpectTidy(ScaleSummary(alone, true));

  ScaleLaw once;
  once.repetitions = 1;
  LawStudy single(once);
  single.AddMainSweeps(SmallShape(), 1024);
  const ScaleFindings findings = Analysed(single.data);
  EXPECT_TRUE(findings.models[0].prefill_fit.a.known());
  EXPECT_TRUE(std::isnan(findings.models[0].prefill_fit.a.low));  // no interval of one
  ExpectTidy(ScaleSummary(findings, true));

  for (ScaleSample& sample : single.data.samples) sample.class_seconds = {};
  const ScaleFindings classless = Analysed(single.data);
  EXPECT_TRUE(classless.models[0].prefill_fit.a.known());
  EXPECT_FALSE(classless.models[0].shares[0].timed[0].known());
  EXPECT_EQ(VerdictOf(classless.models[0], "C2_CROSS_N_D"), ScaleVerdict::kNotMeasured);
  ExpectTidy(ScaleSummary(classless, true));
}

// Repetitions that a time limit cut: long points have fewer, and still count.
TEST(ScaleAnalysisOfLittleTest, PointsWithFewerRepetitionsStayInTheFit) {
  LawStudy study(ScaleLaw{});
  study.AddMainSweeps(SmallShape(), 4096);
  ScaleData data = study.data;
  data.samples.clear();
  for (const ScaleSample& sample : study.data.samples) {
    if (data.points[sample.point].tokens < 2048 || sample.repetition < 3) {
      data.samples.push_back(sample);
    }
  }
  const ScaleModelFindings model = Analysed(data).models[0];
  EXPECT_EQ(model.prefill.back().repetitions, 3);
  EXPECT_LE(model.prefill_fit.b.low, model.prefill_fit.b.value);
  EXPECT_GE(model.prefill_fit.b.high, model.prefill_fit.b.value);
  EXPECT_GT(model.prefill_fit.b.low, 0.5 * model.prefill_fit.b.value);
}

TEST(ScaleAnalysisOfLittleTest, TimesThatAreNoTimesMakeFiguresUnknown) {
  LawStudy study(ScaleLaw{});
  study.AddMainSweeps(SmallShape(), 512);
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN(),
                           std::numeric_limits<double>::infinity()}) {
    ScaleData data = study.data;
    for (ScaleSample& sample : data.samples) {
      sample.seconds = bad;
      sample.class_seconds.fill(bad);
    }
    const ScaleFindings findings = Analysed(data);
    EXPECT_FALSE(findings.models[0].prefill_fit.a.known()) << bad;
    EXPECT_FALSE(findings.models[0].prefill_exponent.known()) << bad;
    EXPECT_EQ(VerdictOf(findings.models[0], "C1_DOUBLE_N_X4"), ScaleVerdict::kNotMeasured);
    ExpectTidy(ScaleSummary(findings, true));
  }
}

TEST(ScaleFindingsJsonTest, IsWholeAndKeepsTheUnknownApart) {
  const auto json = ScaleFindingsJson(Analysed(WholeStudy(1024).data));
  const auto& model = json["models"][0];
  EXPECT_EQ(model["model"], "synthetic:gpt2-small");
  EXPECT_EQ(model["shape"]["layers"], 12);
  EXPECT_GT(model["prefill_fit"]["b"]["low"].get<double>(), 0);
  EXPECT_EQ(model["crossings"][0]["reach"], "not_reached");
  EXPECT_TRUE(model["crossings"][0]["measured_tokens"]["value"].is_null());
  EXPECT_EQ(model["crossings"][0]["counted_tokens"], 6143);
  EXPECT_EQ(model["shares"].size(), 4U);
  EXPECT_TRUE(model["shares"][0]["classes"].contains("feed_forward"));
  EXPECT_EQ(model["claims"][0]["verdict"], "does not hold");
  EXPECT_EQ(nlohmann::ordered_json::parse(json.dump()), json);
}

}  // namespace
}  // namespace plumbline::scale_sweeps_analysis_test
