// The articles' claims on decode, layers, heads, batches, memory and softmax.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/scale_parts.h"
#include "tools/scale_text.h"

namespace plumbline {
namespace {

ScaleVerdict NearFactor(double value, double claimed) {
  if (std::isnan(value)) return ScaleVerdict::kNotMeasured;
  return std::abs(value - claimed) <= kFactorReach * claimed ? ScaleVerdict::kHolds
                                                             : ScaleVerdict::kDoesNotHold;
}

const ScaleVariants* Find(const ScaleModelFindings& findings, ScaleSweep sweep) {
  const auto found =
      std::find_if(findings.variants.begin(), findings.variants.end(),
                   [&](const ScaleVariants& v) { return v.name == ScaleSweepName(sweep); });
  return found == findings.variants.end() ? nullptr : &*found;
}

void JudgeDecode(const ScaleView& view, ScaleModelFindings* findings) {
  const std::vector<ScaleDoubling>& doublings = findings->decode_doublings;
  const ScaleDoubling cached = doublings.empty() ? ScaleDoubling() : doublings.back();
  findings->claims.push_back({"C2_STEP_TD",
                              "A cached step costs t d: twice the context, twice the cost.",
                              absl::StrCat(EstimateText(cached.whole), " times the step from ",
                                           cached.tokens, " to ", 2 * cached.tokens),
                              NearFactor(cached.whole.value, 2)});
  const RepeatedCurve naive = CurveOf(view.Recomputed(), SecondsOfSample);
  double from = kUnknownFigure;
  for (const double t : naive.x) {
    if (!std::isnan(DoublingRatio(naive.Medians(), t))) from = t;
  }
  const Estimate doubling = view.Estimates(
      {naive},
      [from](const std::vector<std::vector<CurvePoint>>& medians) {
        return std::vector<double>{DoublingRatio(medians[0], from)};
      },
      1)[0];
  findings->claims.push_back(
      {"C2_NAIVE_STEP",
       "Without a cache a token costs t^2: twice the context, four times the cost.",
       absl::StrCat(EstimateText(doubling), " times the token from ", FigureText(from), " to ",
                    FigureText(2 * from)),
       NearFactor(doubling.value, 4)});
}

void JudgeLayers(ScaleModelFindings* findings) {
  Estimate ratio = Estimate::Unknown();
  const ScaleVariants* layers = Find(*findings, ScaleSweep::kLayers);
  int64_t half_value = 0;
  if (layers != nullptr) {
    for (const ScaleVariant& row : layers->rows) {
      if (row.decode || 2 * row.value != layers->base) continue;
      // Half over whole: turned over, so that twice the layers stand above.
      ratio = {1 / row.time_ratio.value, 1 / row.time_ratio.high, 1 / row.time_ratio.low};
      half_value = row.value;
    }
  }
  findings->claims.push_back({"C1_24_VS_12_LAYERS", "Twice the layers need twice the resources.",
                              absl::StrCat(EstimateText(ratio), " times the prefill from ",
                                           half_value, " to ", 2 * half_value, " layers"),
                              NearFactor(ratio.value, 2)});
}

// A count that should be `expected` times the base's in every row of a sweep. What is said is the
// first row that differs, or the last one.
void JudgeCounts(ScaleSweep sweep, ScaleClaim claim, double ScaleVariant::*ratio,
                 double (*expected)(double value, double base), ScaleModelFindings* findings) {
  if (const ScaleVariants* variants = Find(*findings, sweep); variants != nullptr) {
    const auto base = static_cast<double>(variants->base);
    for (const ScaleVariant& row : variants->rows) {
      if (std::isnan(row.*ratio) || row.value == variants->base) continue;
      const bool as_expected = row.*ratio == expected(static_cast<double>(row.value), base);
      claim.verdict = as_expected ? ScaleVerdict::kHolds : ScaleVerdict::kDoesNotHold;
      claim.measured = absl::StrCat("times ", FigureText(row.*ratio), " at ", row.value, " beside ",
                                    variants->base);
      if (!as_expected) break;
    }
  }
  findings->claims.push_back(std::move(claim));
}

// Scores and weighted values: as many products in every sample; and their times.
void JudgeValuesBesideScores(const ScaleView& view, ScaleModelFindings* findings) {
  ScaleClaim claim = {"C1_OUTPUT_EQUALS_SCORES", "Weighted values cost as much as scores.", "-",
                      ScaleVerdict::kNotMeasured};
  constexpr auto kScores = static_cast<size_t>(WorkClass::kScores);
  constexpr auto kValues = static_cast<size_t>(WorkClass::kWeightedValues);
  for (const ViewedPoint* viewed : view.Sweep(ScaleSweep::kPrefill)) {
    const MacCounts& macs = viewed->samples.front()->macs;
    const Estimate time = view.MedianOf(*viewed, [](const ScaleSample& sample) {
      return sample.class_seconds[kValues] / sample.class_seconds[kScores];
    });
    const bool equal = macs.useful[kScores] == macs.useful[kValues];
    claim.verdict = equal ? ScaleVerdict::kHolds : ScaleVerdict::kDoesNotHold;
    claim.measured = absl::StrCat(equal ? "equal" : "unequal", " products, ", EstimateText(time),
                                  " times the time at ", viewed->point->tokens);
    if (!equal) break;
  }
  findings->claims.push_back(std::move(claim));
}

void JudgeSoftmax(const ScaleView& view, ScaleModelFindings* findings) {
  ScaleClaim claim = {"C1_SOFTMAX_ONE_HEAD", "A layer's softmax is 3 n^2 operations.", "-",
                      ScaleVerdict::kNotMeasured};
  const std::vector<const ViewedPoint*> points = view.Sweep(ScaleSweep::kPrefill);
  if (!points.empty()) {
    const ScalePoint& point = *points.back()->point;
    const auto n = static_cast<double>(point.tokens);
    const double layers = static_cast<double>(point.shape.L);
    // Three operations a pair, on both sides.
    const double times =
        CountOf(*points.back(),
                [](const ScaleSample& s) { return static_cast<double>(s.softmax_pairs); }) /
        (layers * n * n * static_cast<double>(point.streams));
    if (times > 0) {
      claim.measured = absl::StrCat(FigureText(times), " times that at ", point.tokens,
                                    " tokens: ", point.shape.h, " heads, half of the square");
      claim.verdict = NearFactor(times, 1);
    }
  }
  findings->claims.push_back(std::move(claim));
}

// Bytes of scores at the last length that was measured at its half too, over those at the half.
void JudgeScoreMemory(const ScaleView& view, ScaleModelFindings* findings) {
  double ratio = kUnknownFigure;
  int64_t tokens = 0;
  const std::vector<const ViewedPoint*> points = view.Sweep(ScaleSweep::kStoredFull);
  for (const ViewedPoint* half : points) {
    for (const ViewedPoint* whole : points) {
      if (whole->point->tokens != 2 * half->point->tokens || half->point->peak_score_bytes <= 0) {
        continue;
      }
      tokens = half->point->tokens;
      ratio = static_cast<double>(whole->point->peak_score_bytes) /
              static_cast<double>(half->point->peak_score_bytes);
    }
  }
  findings->claims.push_back({"C1_MEM_DOUBLE_X4",
                              "Twice the length is four times the memory of the scores.",
                              absl::StrCat(FigureText(ratio), " times the stored scores from ",
                                           tokens, " to ", 2 * tokens),
                              NearFactor(ratio, 4)});
}

void JudgeTiles(ScaleModelFindings* findings) {
  ScaleClaim claim = {"C2_FLASH_ON", "Attention by tiles is two to four times as fast.", "-",
                      ScaleVerdict::kNotMeasured};
  for (const ScaleContrast& row : findings->contrasts.rows) {
    if (row.name != "stored, full / tiled" || !row.time_ratio.known()) continue;
    claim.measured = absl::StrCat(EstimateText(row.time_ratio), " times as fast at ", row.tokens);
    claim.verdict = row.time_ratio.value >= 2 && row.time_ratio.value <= 4
                        ? ScaleVerdict::kHolds
                        : ScaleVerdict::kDoesNotHold;
  }
  findings->claims.push_back(std::move(claim));
}

}  // namespace

void JudgeSweepClaims(const ScaleView& view, ScaleModelFindings* findings) {
  JudgeDecode(view, findings);
  JudgeLayers(findings);
  JudgeCounts(
      ScaleSweep::kHeads,
      {"C2_HEADS_TOTAL", "The products of attention do not depend on the heads.", "-",
       ScaleVerdict::kNotMeasured},
      &ScaleVariant::core_mac_ratio, [](double, double) { return 1.0; }, findings);
  JudgeCounts(
      ScaleSweep::kBatch,
      {"C1_BATCH_LINEAR", "The memory of caches grows linearly with the batch.", "-",
       ScaleVerdict::kNotMeasured},
      &ScaleVariant::cache_byte_ratio, [](double value, double base) { return value / base; },
      findings);
  JudgeValuesBesideScores(view, findings);
  JudgeSoftmax(view, findings);
  JudgeScoreMemory(view, findings);
  JudgeTiles(findings);
}

}  // namespace plumbline
