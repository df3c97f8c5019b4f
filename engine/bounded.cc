#include "engine/bounded.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace plumbline {
namespace {

constexpr double kExactIntegers = 0x1p53;
constexpr double kUnitRoundoff = 0x1p-53;
constexpr double kTiny = 0x1p-960;        // below, a residual may itself underflow to 0
constexpr double kLeast = 0x1p-1074;      // no result below kTiny is rounded by more
constexpr double kInflate = 1 + 0x1p-40;  // covers the rounding of the bounds themselves

// A result with the rounding error of its own operation and what its operands brought along.
Bounded Result(double value, double residual, double carried) {
  const double error = std::abs(residual) + carried;
  return {value, error > 0 ? error * kInflate : error};
}

double Underflow(double result, bool operands_are_zero) {
  return !operands_are_zero && std::abs(result) < kTiny ? kLeast : 0;
}

// An error over the least that its divisor may be; that may be 0, and then there is no bound.
double Over(double error, double least_divisor) {
  if (error == 0) return 0;
  return least_divisor > 0 ? error / least_divisor : std::numeric_limits<double>::infinity();
}

// Both ends of the interval, one step further out than computed: v + e itself was rounded.
double Low(const Bounded& a) {
  return a.exact() ? a.value
                   : std::nextafter(a.value - a.error, -std::numeric_limits<double>::infinity());
}
double High(const Bounded& a) {
  return a.exact() ? a.value
                   : std::nextafter(a.value + a.error, std::numeric_limits<double>::infinity());
}

}  // namespace

Bounded FromDecimal(double value) {
  const bool exact = std::abs(value) < kExactIntegers && std::trunc(value) == value;
  return {value, exact ? 0 : std::abs(value) * kUnitRoundoff};
}

Bounded operator+(const Bounded& a, const Bounded& b) {
  const double sum = a.value + b.value;
  const double b_part = sum - a.value;  // Knuth's TwoSum
  const double residual = (a.value - (sum - b_part)) + (b.value - b_part);
  return Result(sum, residual, a.error + b.error);
}

Bounded operator-(const Bounded& a, const Bounded& b) { return a + Bounded{-b.value, b.error}; }

Bounded operator*(const Bounded& a, const Bounded& b) {
  const double product = a.value * b.value;
  const double residual = std::fma(a.value, b.value, -product);
  const double carried = a.error * std::abs(b.value) + b.error * std::abs(a.value) +
                         a.error * b.error + Underflow(product, a.value == 0 || b.value == 0);
  return Result(product, residual, carried);
}

Bounded operator/(const Bounded& a, const Bounded& b) {
  const double quotient = a.value / b.value;
  const double residual = std::fma(-quotient, b.value, a.value) / b.value;
  const double carried = Over(a.error + std::abs(quotient) * b.error, std::abs(b.value) - b.error) +
                         Underflow(quotient, a.value == 0);
  return Result(quotient, residual, carried);
}

Bounded Min(const Bounded& a, const Bounded& b) {
  return {std::min(a.value, b.value), std::max(a.error, b.error)};
}

Bounded Max(const Bounded& a, const Bounded& b) {
  return {std::max(a.value, b.value), std::max(a.error, b.error)};
}

Bounded Sqrt(const Bounded& a) {
  const double root = std::sqrt(a.value);
  if (root == 0) return {0, std::sqrt(a.error)};
  // sqrt(v) - sqrt(v - e) = e / (sqrt(v) + sqrt(v - e)) <= e / sqrt(v).
  const double residual = std::fma(-root, root, a.value) / root;
  return Result(root, residual, a.error / root);
}

Bounded Log2(const Bounded& a) {
  const double log = std::log2(a.value);
  int exponent = 0;
  const bool power_of_two = a.exact() && std::frexp(a.value, &exponent) == 0.5;
  // The library is off by one unit in the last place at most.
  const double residual = power_of_two ? 0 : 2 * kUnitRoundoff * std::abs(log);
  return Result(log, residual, Over(a.error, (a.value - a.error) * std::numbers::ln2));
}

Bounded Floor(const Bounded& a) {
  return {std::floor(a.value), std::floor(High(a)) - std::floor(Low(a))};
}

Bounded Ceil(const Bounded& a) {
  return {std::ceil(a.value), std::ceil(High(a)) - std::ceil(Low(a))};
}

}  // namespace plumbline
