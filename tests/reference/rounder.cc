#include "tests/reference/rounder.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace plumbline {

double RoundToUnit(double x, double unit) {
  if (unit == 0 || x == 0 || !std::isfinite(x)) return x;
  if (unit == kUnitF32) return static_cast<double>(static_cast<float>(x));
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);  // in [0.5, 1)
  const double steps = 1 / unit;
  return std::ldexp(std::nearbyint(fraction * steps) / steps, exponent);
}

Rounder::Rounder(Mode mode, const Precision& precision, uint64_t seed)
    : mode_(mode), precision_(precision), random_(seed) {}

Rounder Rounder::Exact() { return {Mode::kExact, Precision{}, 0}; }

Rounder Rounder::Nearest(const Precision& precision) { return {Mode::kNearest, precision, 0}; }

Rounder Rounder::RandomSigns(const Precision& precision, uint64_t seed) {
  return {Mode::kRandomSigns, precision, seed};
}

double Rounder::Disturb(double value, double error) {
  return (random_() >> 63) != 0 ? value + error : value - error;
}

double Rounder::Element(double x, double unit) {
  if (mode_ == Mode::kExact) return x;
  if (mode_ == Mode::kNearest) return RoundToUnit(x, unit);
  return Disturb(x, std::abs(x) * unit);
}

std::vector<double> Rounder::Row(absl::Span<const double> x, double unit, double row_unit) {
  double most = 0;
  for (const double value : x) most = std::max(most, std::abs(value));
  const double half = most * row_unit;
  std::vector<double> row;
  row.reserve(x.size());
  for (const double value : x) {
    double rounded = Element(value, unit);
    if (half > 0 && mode_ == Mode::kNearest) {
      rounded = std::nearbyint(rounded / (2 * half)) * (2 * half);
    } else if (half > 0 && mode_ == Mode::kRandomSigns) {
      rounded = Disturb(rounded, half);
    }
    row.push_back(rounded);
  }
  return row;
}

double Rounder::Operand(double x) { return Element(x, precision_.operand); }

double Rounder::AttentionOperand(double x) { return Element(x, precision_.attention_operand); }

std::vector<double> Rounder::OperandRow(absl::Span<const double> x) {
  return Row(x, precision_.operand, precision_.row_unit);
}

std::vector<double> Rounder::StoredRow(absl::Span<const double> x) {
  return Row(x, precision_.stored_kv, precision_.stored_row_unit);
}

double Rounder::Result(double value, double magnitude, double operations) {
  if (mode_ == Mode::kExact) return value;
  if (mode_ == Mode::kNearest) return RoundToUnit(value, precision_.arithmetic);
  return Disturb(value, std::abs(magnitude) * std::sqrt(operations) * precision_.arithmetic);
}

double Rounder::Dot(absl::Span<const double> a, absl::Span<const double> b) {
  return StridedDot(a, b.data(), 1);
}

double Rounder::StridedDot(absl::Span<const double> a, const double* b, int64_t stride) {
  double sum = 0;
  double squares = 0;  // of the partial sums: each is rounded once, by at most unit * |sum|
  for (size_t i = 0; i < a.size(); ++i) {
    sum += a[i] * b[static_cast<int64_t>(i) * stride];
    if (mode_ == Mode::kNearest) sum = RoundToUnit(sum, precision_.arithmetic);
    squares += sum * sum;
  }
  if (mode_ != Mode::kRandomSigns) return sum;
  return Disturb(sum, precision_.arithmetic * std::sqrt(squares));
}

}  // namespace plumbline
