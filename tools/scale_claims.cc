// The articles' claims on lengths: doublings, crossings and shares.
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/curve_fit.h"
#include "tools/scale_parts.h"
#include "tools/scale_text.h"

namespace plumbline {
namespace {

// Holds where `value` lies no further than `reach` from what is claimed.
ScaleVerdict Near(double value, double claimed, double reach) {
  if (std::isnan(value)) return ScaleVerdict::kNotMeasured;
  return std::abs(value - claimed) <= reach ? ScaleVerdict::kHolds : ScaleVerdict::kDoesNotHold;
}

void JudgeDoublings(ScaleModelFindings* findings) {
  const std::vector<ScaleDoubling>& doublings = findings->prefill_doublings;
  const ScaleDoubling last = doublings.empty() ? ScaleDoubling() : doublings.back();
  const std::string from =
      doublings.empty() ? "" : absl::StrCat(" from ", last.tokens, " to ", 2 * last.tokens);
  findings->claims.push_back({"C2_DOUBLING_4X", "Twice the context costs four times as much.",
                              absl::StrCat(EstimateText(last.whole), " times the prefill", from),
                              Near(last.whole.value, 4, kFactorReach * 4)});
  findings->claims.push_back(
      {"C1_DOUBLE_N_X4", "Twice the length is four times attention's work.",
       absl::StrCat(EstimateText(last.attention), " times attention's time", from),
       Near(last.attention.value, 4, kFactorReach * 4)});
}

// Of a crossing that should lie between two lengths.
ScaleVerdict CrossesWithin(const ScaleCrossing& crossing, double low, double high) {
  const Estimate& at = crossing.measured;
  if (!at.known()) return ScaleVerdict::kNotMeasured;
  if (std::isinf(at.value)) {
    return crossing.last_tokens > high ? ScaleVerdict::kDoesNotHold : ScaleVerdict::kNotReached;
  }
  return low <= at.value && at.value <= high ? ScaleVerdict::kHolds : ScaleVerdict::kDoesNotHold;
}

std::string CrossingText(const ScaleCrossing& crossing) {
  std::string text = ReachText(crossing.measured);
  if (std::isinf(crossing.measured.value)) {
    absl::StrAppend(&text, " by ", FigureText(crossing.last_tokens), " tokens");
  }
  if (!std::isnan(crossing.extrapolated)) {
    absl::StrAppend(&text, ", extrapolated to ", FigureText(crossing.extrapolated));
  }
  return text;
}

void JudgeCrossings(ScaleModelFindings* findings) {
  const ScaleCrossing& feed_forward = findings->crossings.front();
  const auto width = static_cast<double>(findings->shape.d);
  // "Around": nearer to d than to its half or its double.
  findings->claims.push_back(
      {"C2_CROSS_N_D", "Attention passes the feed-forward around n = d.",
       absl::StrCat(CrossingText(feed_forward), "; d is ", findings->shape.d),
       CrossesWithin(feed_forward, width / std::sqrt(2.0), width * std::sqrt(2.0))});
  findings->claims.push_back({"C1_CROSS_512_1024", "It usually does so at 512 to 1024 tokens.",
                              CrossingText(feed_forward), CrossesWithin(feed_forward, 512, 1024)});
  for (const ScaleCrossing& crossing : findings->crossings) {
    if (crossing.full_id != "D_KV_EQ_WEIGHTS") continue;
    findings->claims.push_back(
        {"C2_KV_GT_WEIGHTS", "At 100,000 tokens the cache outweighs the weights.",
         absl::StrCat("reading it: ", CrossingText(crossing)), CrossesWithin(crossing, 0, 100000)});
  }
}

// Attention over another figure at a length between measured ones.
Estimate AttentionOver(const ScaleView& view, const SampleFigure& below, double tokens) {
  const std::vector<RepeatedCurve> curves = {view.Curve(ScaleSweep::kPrefill, AttentionSeconds),
                                             view.Curve(ScaleSweep::kPrefill, below)};
  return view.Estimates(
      curves,
      [tokens](const CurveMedians& medians) {
        return std::vector<double>{Interpolate(medians[0], tokens) /
                                   Interpolate(medians[1], tokens)};
      },
      1)[0];
}

double LayerSeconds(const ScaleSample& sample) {
  return AttentionSeconds(sample) +
         sample.class_seconds[static_cast<size_t>(WorkClass::kProjections)] +
         sample.class_seconds[static_cast<size_t>(WorkClass::kFeedForward)];
}

ScaleVerdict AtLeast(const Estimate& measured, double least) {
  if (!measured.known()) return ScaleVerdict::kNotMeasured;
  return measured.value >= least ? ScaleVerdict::kHolds : ScaleVerdict::kDoesNotHold;
}

void JudgeAttentionShares(const ScaleView& view, ScaleModelFindings* findings) {
  const Estimate of_pass = AttentionOver(view, SecondsOfSample, 1000);
  findings->claims.push_back({"C1_N1000_DOMINATES", "At 1000 tokens the quadratic part dominates.",
                              absl::StrCat(EstimateText(of_pass), " of the prefill's time"),
                              AtLeast(of_pass, 0.5)});
  const Estimate of_feed_forward =
      AttentionOver(view, SecondsOfClass(WorkClass::kFeedForward), 256);
  ScaleVerdict negligible = AtLeast(of_feed_forward, 0.1);  // a tenth counts
  if (negligible != ScaleVerdict::kNotMeasured) {
    negligible =
        negligible == ScaleVerdict::kHolds ? ScaleVerdict::kDoesNotHold : ScaleVerdict::kHolds;
  }
  findings->claims.push_back(
      {"C1_FEW_HUNDRED", "At a few hundred tokens attention is negligible beside the feed-forward.",
       absl::StrCat(EstimateText(of_feed_forward), " of its time at 256"), negligible});
  if (findings->shape.d != 768) return;  // the article's percentages are of this width
  struct Printed {
    const char* id;
    double tokens;
    double percent;
  };
  constexpr Printed kPrinted[] = {
      {"C1_5PCT", 256, 5}, {"C1_17PCT", 1024, 17}, {"C1_45PCT", 4096, 45}};
  for (const Printed& printed : kPrinted) {
    const Estimate share = AttentionOver(view, LayerSeconds, printed.tokens);
    findings->claims.push_back({printed.id,
                                absl::StrCat("At ", printed.tokens, " tokens attention is about ",
                                             printed.percent, "% of a layer."),
                                absl::StrCat(EstimateText(share), " of its time"),
                                Near(100 * share.value, printed.percent, 0.5)});
  }
}

void JudgeLastShares(ScaleModelFindings* findings) {
  Estimate attention = Estimate::Unknown();
  Estimate change = Estimate::Unknown();
  std::string at;
  if (!findings->shares.empty()) {
    const ScaleShare& last = findings->shares.back();
    const auto timed = [&last](WorkClass part) { return last.timed[static_cast<size_t>(part)]; };
    attention.value = timed(WorkClass::kScores).value + timed(WorkClass::kSoftmax).value +
                      timed(WorkClass::kWeightedValues).value;
    change.value =
        timed(WorkClass::kProjections).value /
        findings->shares.front().timed[static_cast<size_t>(WorkClass::kProjections)].value;
    at = absl::StrCat(" at ", last.tokens, " tokens");
  }
  ScaleVerdict half = AtLeast(attention, 50);
  if (half == ScaleVerdict::kDoesNotHold) half = ScaleVerdict::kNotReached;
  findings->claims.push_back({"C1_50PCT_OR_MORE", "In long contexts attention takes half or more.",
                              absl::StrCat(FigureText(attention.value), "% of the time", at),
                              half});
  findings->claims.push_back(
      {"C1_PROJ_STABLE", "The share of the projections stays about the same.",
       findings->shares.size() < 2 ? "-"
                                   : absl::StrCat("times ", FigureText(change.value), " from ",
                                                  findings->shares.front().tokens, " to ",
                                                  findings->shares.back().tokens, " tokens"),
       findings->shares.size() < 2 ? ScaleVerdict::kNotMeasured
                                   : Near(change.value, 1, kFactorReach)});
}

}  // namespace

std::string ScaleVerdictName(ScaleVerdict verdict) {
  switch (verdict) {
    case ScaleVerdict::kHolds:
      return "holds";
    case ScaleVerdict::kDoesNotHold:
      return "does not hold";
    case ScaleVerdict::kNotReached:
      return "not reached";
    case ScaleVerdict::kNotMeasured:
      return "not measured";
  }
  return "unknown";
}

void JudgeLengthClaims(const ScaleView& view, ScaleModelFindings* findings) {
  JudgeDoublings(findings);
  JudgeCrossings(findings);
  JudgeAttentionShares(view, findings);
  JudgeLastShares(findings);
}

}  // namespace plumbline
