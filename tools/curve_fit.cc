#include "tools/curve_fit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tools/stats.h"

namespace plumbline {
namespace {

constexpr double kNoFit = std::numeric_limits<double>::quiet_NaN();
constexpr double kUnbounded = std::numeric_limits<double>::infinity();
// In robust spreads: 95% efficient where residuals are normal (Huber 1964).
constexpr double kHuberLimit = 1.345;
constexpr int kMostReweightings = 50;

// One point of a two-term fit divided by its y: first * f + second * g = 1.
struct Row {
  double f;
  double g;
};

// Weighted least squares by the normal equations. f and g are scaled to comparable size by the
// caller's choice of terms over y; the determinant of two columns is checked relative to them.
absl::StatusOr<std::pair<double, double>> Solve(const std::vector<Row>& rows,
                                                const std::vector<double>& weights) {
  double ff = 0;
  double fg = 0;
  double gg = 0;
  double f1 = 0;
  double g1 = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto [f, g] = rows[i];
    ff += weights[i] * f * f;
    fg += weights[i] * f * g;
    gg += weights[i] * g * g;
    f1 += weights[i] * f;
    g1 += weights[i] * g;
  }
  const double determinant = ff * gg - fg * fg;
  if (!(determinant > 1e-13 * ff * gg)) {
    return absl::InvalidArgumentError(
        "the two terms of a fit cannot be told apart by the points measured: more x are needed");
  }
  return std::pair<double, double>((f1 * gg - g1 * fg) / determinant,
                                   (g1 * ff - f1 * fg) / determinant);
}

// Relative residuals fit / measured - 1.
std::vector<double> Residuals(const std::vector<Row>& rows, std::pair<double, double> solution) {
  std::vector<double> residuals;
  residuals.reserve(rows.size());
  for (const Row& row : rows) {
    residuals.push_back(solution.first * row.f + solution.second * row.g - 1);
  }
  return residuals;
}

// One weight for each residual: 1 within the limit, less beyond.
std::vector<double> HuberWeights(const std::vector<double>& residuals) {
  std::vector<double> sizes;
  sizes.reserve(residuals.size());
  for (const double residual : residuals) sizes.push_back(std::abs(residual));
  const double limit = kHuberLimit * 1.4826 * Median(sizes);
  std::vector<double> weights;
  weights.reserve(sizes.size());
  for (const double size : sizes) weights.push_back(size <= limit ? 1 : limit / size);
  return weights;
}

absl::StatusOr<TwoTermFit> FitRows(const std::vector<Row>& rows) {
  auto solution = Solve(rows, std::vector<double>(rows.size(), 1.0));
  if (!solution.ok()) return solution.status();
  for (int i = 0; i < kMostReweightings; ++i) {
    const std::vector<double> residuals = Residuals(rows, *solution);
    auto next = Solve(rows, HuberWeights(residuals));
    if (!next.ok()) break;  // all weight on too few points: the last solution stands
    const double moved =
        std::abs(next->first - solution->first) + std::abs(next->second - solution->second);
    const double size = std::abs(solution->first) + std::abs(solution->second);
    solution = std::move(next);
    if (moved <= 1e-12 * size) break;
  }
  double largest = 0;
  for (const double residual : Residuals(rows, *solution)) {
    largest = std::max(largest, std::abs(residual));
  }
  return TwoTermFit{solution->first, solution->second, largest};
}

absl::Status CheckDistinct(const std::vector<CurvePoint>& points) {
  int64_t distinct = points.empty() ? 0 : 1;
  for (size_t i = 1; i < points.size(); ++i) distinct += points[i].x != points[i - 1].x;
  if (distinct >= 3) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a fit of two terms needs points at three different x, and has ", distinct));
}

// Where log-log lines from (x0, y0) to (x1, y1) reach y.
double Between(const CurvePoint& from, const CurvePoint& to, double y) {
  const double part = std::log(y / from.y) / std::log(to.y / from.y);
  return from.x * std::pow(to.x / from.x, part);
}

}  // namespace

std::vector<CurvePoint> Measured(absl::Span<const CurvePoint> points) {
  std::vector<CurvePoint> measured;
  for (const CurvePoint& point : points) {
    if (std::isfinite(point.x) && point.x > 0 && std::isfinite(point.y) && point.y > 0) {
      measured.push_back(point);
    }
  }
  std::stable_sort(measured.begin(), measured.end(),
                   [](const CurvePoint& a, const CurvePoint& b) { return a.x < b.x; });
  return measured;
}

absl::StatusOr<TwoTermFit> FitLinearQuadratic(absl::Span<const CurvePoint> points) {
  const std::vector<CurvePoint> measured = Measured(points);
  if (const absl::Status enough = CheckDistinct(measured); !enough.ok()) return enough;
  // x is scaled by its largest, so that both terms have one size.
  const double scale = measured.back().x;
  std::vector<Row> rows;
  rows.reserve(measured.size());
  for (const auto& [x, y] : measured) {
    rows.push_back({x / scale / y, x / scale * (x / scale) / y});
  }
  auto fit = FitRows(rows);
  if (!fit.ok()) return fit.status();
  return TwoTermFit{fit->first / scale, fit->second / scale / scale, fit->largest_residual};
}

absl::StatusOr<TwoTermFit> FitLine(absl::Span<const CurvePoint> points) {
  const std::vector<CurvePoint> measured = Measured(points);
  if (const absl::Status enough = CheckDistinct(measured); !enough.ok()) return enough;
  const double scale = measured.back().x;
  std::vector<Row> rows;
  rows.reserve(measured.size());
  for (const auto& [x, y] : measured) rows.push_back({1 / y, x / scale / y});
  auto fit = FitRows(rows);
  if (!fit.ok()) return fit.status();
  return TwoTermFit{fit->first, fit->second / scale, fit->largest_residual};
}

double GrowthExponent(absl::Span<const CurvePoint> points) {
  const std::vector<CurvePoint> measured = Measured(points);
  double mean_x = 0;
  double mean_y = 0;
  for (const auto& [x, y] : measured) {
    mean_x += std::log(x) / static_cast<double>(measured.size());
    mean_y += std::log(y) / static_cast<double>(measured.size());
  }
  double across = 0;
  double square = 0;
  for (const auto& [x, y] : measured) {
    across += (std::log(x) - mean_x) * (std::log(y) - mean_y);
    square += (std::log(x) - mean_x) * (std::log(x) - mean_x);
  }
  if (measured.size() < 2 || measured.front().x == measured.back().x) return kNoFit;
  return across / square;
}

double DoublingRatio(absl::Span<const CurvePoint> points, double x) {
  double once = kNoFit;
  double twice = kNoFit;
  for (const CurvePoint& point : Measured(points)) {
    if (point.x == x) once = point.y;
    if (point.x == 2 * x) twice = point.y;
  }
  return twice / once;
}

double Interpolate(absl::Span<const CurvePoint> points, double x) {
  const std::vector<CurvePoint> measured = Measured(points);
  for (size_t i = 0; i < measured.size(); ++i) {
    if (measured[i].x == x) return measured[i].y;
    if (i + 1 == measured.size() || measured[i].x > x || measured[i + 1].x <= x) continue;
    const auto& [x0, y0] = measured[i];
    const auto& [x1, y1] = measured[i + 1];
    return y0 * std::pow(y1 / y0, std::log(x / x0) / std::log(x1 / x0));
  }
  return kNoFit;
}

double FirstReaching(absl::Span<const CurvePoint> points, double y) {
  const std::vector<CurvePoint> measured = Measured(points);
  if (measured.empty()) return kNoFit;
  if (measured.front().y >= y) return 0;
  for (size_t i = 1; i < measured.size(); ++i) {
    if (measured[i].y >= y) return Between(measured[i - 1], measured[i], y);
  }
  return kUnbounded;
}

double Crossover(absl::Span<const CurvePoint> a, absl::Span<const CurvePoint> b) {
  const std::vector<CurvePoint> below = Measured(b);
  std::vector<CurvePoint> ratios;  // a / b, which crosses 1
  for (const CurvePoint& point : Measured(a)) {
    const auto same = std::find_if(below.begin(), below.end(),
                                   [&](const CurvePoint& other) { return other.x == point.x; });
    if (same != below.end()) ratios.push_back({point.x, point.y / same->y});
  }
  if (ratios.size() < 2) return kNoFit;
  if (!(ratios.back().y > 1)) return kUnbounded;
  for (size_t i = ratios.size() - 1; i > 0; --i) {
    if (!(ratios[i - 1].y > 1)) return Between(ratios[i - 1], ratios[i], 1);
  }
  return 0;
}

}  // namespace plumbline
