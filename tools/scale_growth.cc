// How prefill and decode grow: fits, exponents, doublings, rates and thresholds.
#include <cmath>
#include <limits>
#include <utility>

#include "tools/curve_fit.h"
#include "tools/scale_formulas.h"
#include "tools/scale_parts.h"

namespace plumbline {
namespace {

// a and b of a fit, NaN where it cannot be made.
std::pair<double, double> Coefficients(const absl::StatusOr<TwoTermFit>& fit) {
  if (!fit.ok()) return {kUnknownFigure, kUnknownFigure};
  return {fit->first, fit->second};
}

using FitFunction = absl::StatusOr<TwoTermFit> (*)(absl::Span<const CurvePoint>);

ScaleFit FitOf(const ScaleView& view, const RepeatedCurve& curve, FitFunction fit) {
  ScaleFit found;
  const auto estimates = view.Estimates(
      {curve},
      [fit](const CurveMedians& medians) {
        const auto [a, b] = Coefficients(fit(medians[0]));
        return std::vector<double>{a, b};
      },
      2);
  found.a = estimates[0];
  found.b = estimates[1];
  const auto whole = fit(curve.Medians());
  if (whole.ok()) found.largest_residual = whole->largest_residual;
  return found;
}

Estimate CurveExponent(const ScaleView& view, const RepeatedCurve& curve) {
  return view.Estimates(
      {curve},
      [](const CurveMedians& medians) { return std::vector<double>{GrowthExponent(medians[0])}; },
      1)[0];
}

std::vector<ScaleLength> LengthsOf(const ScaleView& view, ScaleSweep sweep,
                                   const ScaleModelFindings& findings) {
  std::vector<ScaleLength> lengths;
  for (const ViewedPoint* viewed : view.Sweep(sweep)) {
    if (viewed->point->streams != 1) continue;
    ScaleLength length;
    length.tokens = viewed->point->tokens;
    length.repetitions = static_cast<int64_t>(viewed->samples.size());
    const bool prefill = viewed->point->chunk > 0;
    const auto tokens = static_cast<double>(length.tokens);
    length.seconds = view.MedianOf(*viewed, SecondsOfSample);
    length.tokens_per_second = view.MedianOf(*viewed, [&](const ScaleSample& sample) {
      return (prefill ? tokens : 1) / sample.seconds;
    });
    if (prefill) {
      const FormulaValues values = {{"n", tokens}, {"tflops", findings.host.tflops}};
      length.article_ms = FormulaAt("A1_TIME_MS", findings.shape, values);
      length.article_tokens_per_second = FormulaAt("A1_TOKENS_PER_SEC", findings.shape, values);
    }
    lengths.push_back(length);
  }
  return lengths;
}

std::vector<ScaleDoubling> DoublingsOf(const ScaleView& view, ScaleSweep sweep,
                                       const CostShape& shape) {
  const RepeatedCurve whole = view.Curve(sweep, SecondsOfSample);
  const RepeatedCurve attention = view.Curve(sweep, AttentionSeconds);
  std::vector<ScaleDoubling> doublings;
  for (const double n : whole.x) {
    if (std::isnan(DoublingRatio(whole.Medians(), n))) continue;
    const auto estimates = view.Estimates(
        {whole, attention},
        [n](const CurveMedians& medians) {
          return std::vector<double>{DoublingRatio(medians[0], n), DoublingRatio(medians[1], n)};
        },
        2);
    ScaleDoubling doubling;
    doubling.tokens = static_cast<int64_t>(n);
    doubling.whole = estimates[0];
    doubling.attention = estimates[1];
    if (sweep == ScaleSweep::kPrefill) {
      doubling.causal_macs = FormulaAt("D_PREFILL_MAC", shape, {{"n", 2 * n}}) /
                             FormulaAt("D_PREFILL_MAC", shape, {{"n", n}});
      doubling.full_layer = FormulaAt("D_LAYER_DOUBLING", shape, {{"n", n}});
    } else {
      doubling.causal_macs = FormulaAt("D_DECODE_MAC", shape, {{"t", 2 * n}}) /
                             FormulaAt("D_DECODE_MAC", shape, {{"t", n}});
    }
    doublings.push_back(doubling);
  }
  return doublings;
}

// The n with a n + b n^2 = seconds; NaN where the fit never gets there.
double ReachedByFit(const ScaleFit& fit, double seconds) {
  const double a = fit.a.value;
  const double b = fit.b.value;
  if (b == 0) return a > 0 ? seconds / a : kUnknownFigure;
  const double inside = a * a + 4 * b * seconds;
  // The stable form of the root that is above zero.
  const double root = 2 * seconds / (a + std::sqrt(inside));
  return inside >= 0 && root > 0 ? root : kUnknownFigure;
}

ScaleCrossing ThresholdOf(const ScaleView& view, const ScaleFit& fit, const char* name,
                          double seconds) {
  const RepeatedCurve curve = view.Curve(ScaleSweep::kPrefill, SecondsOfSample);
  ScaleCrossing threshold;
  threshold.what = name;
  threshold.measured = view.Estimates(
      {curve},
      [seconds](const CurveMedians& medians) {
        return std::vector<double>{FirstReaching(medians[0], seconds)};
      },
      1)[0];
  if (!curve.x.empty()) threshold.last_tokens = curve.x.back();
  const double reached = threshold.measured.value;
  if (reached == 0 || std::isinf(reached)) threshold.extrapolated = ReachedByFit(fit, seconds);
  return threshold;
}

}  // namespace

void FindGrowth(const ScaleView& view, ScaleModelFindings* findings) {
  const RepeatedCurve prefill = view.Curve(ScaleSweep::kPrefill, SecondsOfSample);
  const RepeatedCurve decode = view.Curve(ScaleSweep::kDecode, SecondsOfSample);
  findings->prefill_fit = FitOf(view, prefill, FitLinearQuadratic);
  findings->decode_fit = FitOf(view, decode, FitLine);
  findings->prefill_exponent = CurveExponent(view, prefill);
  findings->decode_exponent = CurveExponent(view, decode);
  findings->prefill = LengthsOf(view, ScaleSweep::kPrefill, *findings);
  findings->decode = LengthsOf(view, ScaleSweep::kDecode, *findings);
  findings->prefill_doublings = DoublingsOf(view, ScaleSweep::kPrefill, findings->shape);
  findings->decode_doublings = DoublingsOf(view, ScaleSweep::kDecode, findings->shape);
  findings->thresholds = {ThresholdOf(view, findings->prefill_fit, "prefill takes 100 ms", 0.1),
                          ThresholdOf(view, findings->prefill_fit, "prefill takes 1 s", 1)};
}

}  // namespace plumbline
