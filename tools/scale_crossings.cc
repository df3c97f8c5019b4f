// Where attention, the cache and the quadratic part overtake the rest.
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "tools/curve_fit.h"
#include "tools/scale_formulas.h"
#include "tools/scale_parts.h"

namespace plumbline {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// The x above zero where the fit of `a` overtakes the fit of `b`, both p x + q x^2 in prefill and
// p + q x in decode: either way p + q x after division. NaN where it never does.
double FitsCross(const absl::StatusOr<TwoTermFit>& a, const absl::StatusOr<TwoTermFit>& b) {
  if (!a.ok() || !b.ok()) return kUnknownFigure;
  const double steeper = a->second - b->second;
  const double behind = b->first - a->first;
  return steeper > 0 && behind > 0 ? behind / steeper : kUnknownFigure;
}

// Two costs of one sweep, and where the first overtakes the second.
struct Contest {
  const char* what;
  ScaleSweep sweep;
  SampleFigure rising;
  SampleFigure steady;
  double counted;  // by this shape's formulas
  const char* full_id;
  const char* claim;
};

ScaleCrossing CrossingOf(const ScaleView& view, const CostShape& shape, const Contest& contest) {
  const RepeatedCurve rising = view.Curve(contest.sweep, contest.rising);
  const RepeatedCurve steady = view.Curve(contest.sweep, contest.steady);
  ScaleCrossing crossing;
  crossing.what = contest.what;
  crossing.counted = contest.counted;
  crossing.full_id = contest.full_id;
  crossing.full = FormulaAt(contest.full_id, shape);
  crossing.claim = contest.claim;
  crossing.measured = view.Estimates(
      {rising, steady},
      [](const CurveMedians& medians) {
        return std::vector<double>{Crossover(medians[0], medians[1])};
      },
      1)[0];
  if (!rising.x.empty()) crossing.last_tokens = rising.x.back();
  const double at = crossing.measured.value;
  if (at == 0 || std::isinf(at)) {
    const auto fit = contest.sweep == ScaleSweep::kPrefill ? FitLinearQuadratic : FitLine;
    crossing.extrapolated = FitsCross(fit(rising.Medians()), fit(steady.Medians()));
  }
  return crossing;
}

// The quadratic part of the prefill's fit meets its linear part at a / b.
ScaleCrossing FitCrossing(const ScaleView& view, const ScaleModelFindings& findings) {
  const RepeatedCurve curve = view.Curve(ScaleSweep::kPrefill, SecondsOfSample);
  const CostShape& shape = findings.shape;
  ScaleCrossing crossing;
  crossing.what = "quadratic = linear part";
  crossing.counted = FirstFrom([&shape](double n) {
    const LayerWork work = CausalPrefillWork(shape, n);
    return work.core - work.projections - work.feed_forward;
  });
  crossing.full_id = "D_CROSS_HALF_FULL";
  crossing.full = FormulaAt(crossing.full_id, shape);
  crossing.claim = "at 1000 tokens with d = 768 the quadratic part dominates";
  if (!curve.x.empty()) crossing.last_tokens = curve.x.back();
  const Estimate at = view.Estimates(
      {curve},
      [](const CurveMedians& medians) {
        const auto fit = FitLinearQuadratic(medians[0]);
        if (!fit.ok()) return std::vector<double>{kUnknownFigure};
        if (!(fit->second > 0)) return std::vector<double>{kNever};
        return std::vector<double>{std::fmax(0.0, fit->first / fit->second)};
      },
      1)[0];
  // A fit's figure is measured only where the sweep goes that far.
  if (at.value <= crossing.last_tokens) {
    crossing.measured = at;
  } else if (at.known()) {
    crossing.measured = {kNever, at.low <= crossing.last_tokens ? at.low : kNever, kNever};
    if (std::isfinite(at.value)) crossing.extrapolated = at.value;
  }
  return crossing;
}

SampleFigure SecondsOfClasses(std::vector<WorkClass> parts) {
  return [parts = std::move(parts)](const ScaleSample& sample) {
    double seconds = 0;
    for (const WorkClass part : parts) seconds += sample.class_seconds[static_cast<size_t>(part)];
    return seconds;
  };
}

}  // namespace

void FindCrossings(const ScaleView& view, ScaleModelFindings* findings) {
  const CostShape& shape = findings->shape;
  const auto prefill = [&shape](double (*surplus)(const LayerWork&)) {
    return FirstFrom([&](double n) { return surplus(CausalPrefillWork(shape, n)); });
  };
  const auto decode = [&shape](double (*surplus)(const LayerWork&)) {
    return FirstFrom([&](double t) { return surplus(DecodeWork(shape, t)); });
  };
  const double cache_token_bytes = FormulaAt("D_KV_BYTES", shape, {{"t", 1}});
  const double weight_bytes = static_cast<double>(WeightBytes(shape));
  const Contest contests[] = {
      {"attention = feed-forward", ScaleSweep::kPrefill, AttentionSeconds,
       SecondsOfClass(WorkClass::kFeedForward),
       prefill([](const LayerWork& w) { return w.core - w.feed_forward; }), "D_CROSS_FFN_FULL",
       "near n = d; and near 512 to 1024 tokens"},
      {"attention = projections", ScaleSweep::kPrefill, AttentionSeconds,
       SecondsOfClass(WorkClass::kProjections),
       prefill([](const LayerWork& w) { return w.core - w.projections; }), "D_CROSS_PROJ_FULL", ""},
      {"decode: attention = matrices", ScaleSweep::kDecode, AttentionSeconds,
       SecondsOfClasses({WorkClass::kProjections, WorkClass::kFeedForward}),
       decode([](const LayerWork& w) { return w.core - w.projections - w.feed_forward; }),
       "D_DECODE_CROSS", "a step costs t d: attention alone"},
      {"decode: cache = weights", ScaleSweep::kDecode, AttentionSeconds,
       SecondsOfClasses({WorkClass::kProjections, WorkClass::kFeedForward, WorkClass::kHead}),
       std::ceil(weight_bytes / cache_token_bytes), "D_KV_EQ_WEIGHTS",
       "at 100,000 tokens the cache outweighs the weights"},
  };
  for (const Contest& contest : contests) {
    findings->crossings.push_back(CrossingOf(view, shape, contest));
  }
  findings->crossings.push_back(FitCrossing(view, *findings));
}

}  // namespace plumbline
