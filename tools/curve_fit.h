// Laws behind measured curves: two-term fits, growth exponents, and where two curves cross.
//
// All take one y for each x (medians over repetitions); intervals come from calling them inside
// BootstrapRounds (stats.h). Points with an x or y that is not finite and above zero were not
// measured: they are left out. Pure functions; thread-safe.
#ifndef PLUMBLINE_TOOLS_CURVE_FIT_H_
#define PLUMBLINE_TOOLS_CURVE_FIT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace plumbline {

struct CurvePoint {
  double x;
  double y;
};
// The points with x and y finite and above zero, by x.
std::vector<CurvePoint> Measured(absl::Span<const CurvePoint> points);

// y = first * f(x) + second * g(x).
struct TwoTermFit {
  double first;
  double second;
  double largest_residual;  // the largest |fit / measured - 1|
};
// y = a x + b x^2 (prefill over its length): first = a, second = b.
// Least squares of relative residuals, since a time's error grows with the time; residuals beyond
// 1.345 robust spreads weigh less (Huber 1964), by reweighting until nothing moves.
// InvalidArgument: fewer than three different x.
absl::StatusOr<TwoTermFit> FitLinearQuadratic(absl::Span<const CurvePoint> points);
// y = a + b x (a decode step over its context): first = a, second = b. The same otherwise.
absl::StatusOr<TwoTermFit> FitLine(absl::Span<const CurvePoint> points);

// The p of y ~ x^p: slope of log y over log x by least squares. NaN for fewer than two x.
double GrowthExponent(absl::Span<const CurvePoint> points);
// y(2x) / y(x) where both were measured; NaN where not.
double DoublingRatio(absl::Span<const CurvePoint> points, double x);
// y at x on the line between neighbours in log-log; NaN outside of the points.
double Interpolate(absl::Span<const CurvePoint> points, double x);
// The smallest x with Interpolate = y and smaller values before it; infinite where no point reaches
// y; 0 where the first one is there already; NaN where there are no points.
double FirstReaching(absl::Span<const CurvePoint> points, double y);

// Where curve `a` rises above curve `b` for good, both as lines between points in log-log, over the
// x that both have. Infinite: a is not above b at the last x ("not reached"). 0: a is above b at
// every x. NaN: they share fewer than two x.
double Crossover(absl::Span<const CurvePoint> a, absl::Span<const CurvePoint> b);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CURVE_FIT_H_
