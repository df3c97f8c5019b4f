// The places where a real computation rounds, made visible to the reference, so that one forward
// pass can run exactly, as a low-precision machine would, or with random errors put in.
#ifndef PLUMBLINE_TESTS_REFERENCE_ROUNDER_H_
#define PLUMBLINE_TESTS_REFERENCE_ROUNDER_H_

#include <cstdint>
#include <random>
#include <vector>

#include "absl/types/span.h"
#include "tests/reference/error_bounds.h"

namespace plumbline {

// x rounded to the nearest number (ties to even) with a significand of p bits, unit = 2^-p; x
// itself for unit 0. The exponent has no limits.
double RoundToUnit(double x, double unit);

// Not thread-safe: a random rounder draws from a stream.
class Rounder {
 public:
  // Rounds nothing.
  static Rounder Exact();
  // Rounds every result to the nearest number of its type: what a machine of this precision does
  // that sums from first to last.
  static Rounder Nearest(const Precision& precision);
  // Adds to every result its largest local error times a random sign.
  static Rounder RandomSigns(const Precision& precision, uint64_t seed);

  // x where it enters a matmul.
  double Operand(double x);
  // q, or a weight of the softmax, where it enters a product of attention.
  double AttentionOperand(double x);
  // The same for a row that enters a matmul: then relative to its largest element, too.
  std::vector<double> OperandRow(absl::Span<const double> x);
  // A token's key or value of one KV head where it goes to the cache: relative to its largest
  // element, too.
  std::vector<double> StoredRow(absl::Span<const double> x);
  double exp_units() const { return precision_.exp_units; }
  // A value that took `operations` roundings, each of at most unit * magnitude.
  double Result(double value, double magnitude, double operations = 1);
  // sum a_i b_i, each partial sum rounded.
  double Dot(absl::Span<const double> a, absl::Span<const double> b);
  // sum a_i b_{i * stride}, each partial sum rounded: a column of a matrix.
  double StridedDot(absl::Span<const double> a, const double* b, int64_t stride);

 private:
  enum class Mode : uint8_t { kExact, kNearest, kRandomSigns };
  Rounder(Mode mode, const Precision& precision, uint64_t seed);
  double Disturb(double value, double error);
  // x to unit * |x|, and then to row_unit times the largest of the row.
  std::vector<double> Row(absl::Span<const double> x, double unit, double row_unit);
  double Element(double x, double unit);

  Mode mode_;
  Precision precision_;
  std::mt19937_64 random_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_REFERENCE_ROUNDER_H_
