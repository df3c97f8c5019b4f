// How far a result in low precision may lie from the same result in exact arithmetic. Tests take
// their tolerances from here, never from the air.
//
// Two kinds of bound are used:
//  - Worst case (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., chapter 3): n
//    roundings of relative size u give a factor of at most 1 + gamma_n, gamma_n = n u / (1 - n u).
//    Always true; right for one dot product or one attention call.
//  - Probable (Higham and Mary, A New Approach to Probabilistic Rounding Error Analysis, SIAM J.
//    Sci. Comput. 41(5), 2019, theorem 2.4): where roundings are independent and of mean zero,
//    gamma_n may be replaced by about lambda sqrt(n) u, with a chance of failure of at most
//    2 exp(-lambda^2 / 2). Right for whole models, where worst cases multiply up through the
//    layers until the bound says nothing (see forward_bound.h).
//
// "Exact" is double precision here: its own error is 2^29 times smaller than f32's.
#ifndef PLUMBLINE_TESTS_REFERENCE_ERROR_BOUNDS_H_
#define PLUMBLINE_TESTS_REFERENCE_ERROR_BOUNDS_H_

#include <cmath>
#include <cstdint>

namespace plumbline {

// Unit roundoffs (round to nearest): 2^-p for a significand of p bits.
inline constexpr double kUnitF32 = 0x1p-24;
inline constexpr double kUnitF16 = 0x1p-11;
inline constexpr double kUnitBf16 = 0x1p-8;

// The relative error allowed for one exp, tanh, sin or cos of a vector library, in units of u.
// Libraries state at most 4 units in the last place for these (1 ulp is at most 2 u).
inline constexpr double kFunctionUnits = 8;

// Which roundings a computation makes. The default is f32 throughout.
struct Precision {
  double arithmetic = kUnitF32;  // every sum, product and function
  double operand = 0;            // activations where they enter a matmul
  double stored_kv = 0;          // K and V where they are written to the cache
  double row_unit = 0;         // rows where they enter a matmul, relative to their largest element
  double stored_row_unit = 0;  // a head's K or V of one token, relative to its largest element
  // q, and the weights of the softmax, where they enter a product; and the softmax's exp.
  double attention_operand = 0;
  double exp_units = kFunctionUnits;
};

inline constexpr Precision kF32Precision = {};
// bf16 weights: activations are rounded to bf16 before each product, sums stay f32. Weights are
// no part of it: give the reference the weights as rounded.
inline constexpr Precision kBf16Precision = {kUnitF32, kUnitBf16, kUnitBf16, 0, 0, kUnitBf16};
// Attention in tiles of bf16, whose exp2 is a polynomial that is off by 8.6e-5, and by its own
// three roundings.
inline constexpr double kTileExpUnits = 8.6e-5 / kUnitF32 + 3;

// int8 weights: a row of activations becomes multiples of a 127th of its largest element, so that
// each is off by half of one; products and sums of them are exact. Weights as above.
//
// An int8 cache does the same to every head's K and V of a token, s * nearest(x / s) with s its
// largest magnitude / 127, where s and x / s are rounded in f32: the quotient, up to 127, is off by
// 127 u more, so that an element is off by at most (1 + u) (1/2 + 127 u) of the exact step, less
// than 1/2 (1 + 256 u). Scales multiply scores and weights later, one rounding each: (2^-24 /
// 2^-8)^2 of the variance of a bound that is probable, which is left out.
inline constexpr double kUnitInt8 = 0.5 / 127;
inline constexpr double kUnitStoredInt8 = kUnitInt8 * (1 + 256 * kUnitF32);
inline constexpr Precision kInt8Precision = {kUnitF32, 0, kUnitBf16, kUnitInt8};

// REQUIRES: n * unit < 1.
inline double Gamma(double n, double unit) { return n * unit / (1 - n * unit); }

// exp(lambda sqrt(n) u + n u^2 / (1 - u)) - 1, of Higham and Mary's theorem 2.4.
inline double ProbableGamma(double n, double unit, double lambda) {
  return std::expm1(lambda * std::sqrt(n) * unit + n * unit * unit / (1 - unit));
}

// The lambda for which all of `comparisons` bounds hold together but for a chance of
// `failure_probability`: 2 exp(-lambda^2 / 2) summed over them (union bound).
inline double LambdaFor(double comparisons, double failure_probability) {
  return std::sqrt(2 * std::log(2 * comparisons / failure_probability));
}

// One element of y = W x with `inner` terms, in any order of summation, with or without fused
// multiply-add. abs_dot: sum |w_i| |x_i|. W is taken as exact; x is rounded to the operand type.
inline double DotErrorBound(int64_t inner, double abs_dot, const Precision& precision) {
  const double sums = Gamma(static_cast<double>(inner), precision.arithmetic);
  return abs_dot * ((1 + precision.operand) * (1 + sums) - 1);
}

// What the bound of one element of an attention's output needs (see AttentionResult).
struct AttentionSums {
  double abs_weighted_values = 0;  // sum_j p_j |v_j|
  double abs_total_values = 0;     // sum_j |v_j|
  double max_abs_score = 0;        // max over visible j of scale * sum_i |q_i| |k_i|
  int key_width = 0;
  int64_t keys = 0;  // visible ones
  // 1 where K and V are whole numbers with scales: of a score by its key's scale, and of a weight
  // by its value's.
  int scale_roundings = 0;
};

// One element of attention's output over K and V as stored (they are exact). q and the softmax
// weights are rounded to attention's operand type. Holds for any order of summation and for
// segments merged by rescaling, at least 256 keys to a segment.
//
// A score is off by ds <= max_abs_score * (roundings of q, of the e products and sums, of the
// scale, and of the key's own; and twice two roundings of the exponent s - max, whose size is at
// most twice the score's). A weight p = exp(s) / sum exp(s) is then off by a factor of at most
// exp(2 ds), times the errors of exp, of its rounding and of its value's scale, and of the two sums
// of `keys` terms with their merges. Weights below e^-80 may be lost to the limits of the exponent.
inline double AttentionErrorBound(const AttentionSums& sums, const Precision& precision) {
  const double u = precision.arithmetic;
  const double query = (1 + precision.attention_operand) * (1 + precision.attention_operand);
  const double score =
      sums.max_abs_score *
      (query * (1 + Gamma(sums.key_width + 2.0 + sums.scale_roundings, u)) - 1 + 2 * 2 * 2 * u);
  const auto keys = static_cast<double>(sums.keys);
  const double merges = std::ceil(keys / 256) * (precision.exp_units + 2);
  const double one_sum =
      (1 + Gamma(keys + merges + precision.exp_units + 2 + sums.scale_roundings, u));
  const double rounded = (1 + precision.attention_operand) * (1 + precision.attention_operand);
  const double factor = std::exp(2 * score) * one_sum * one_sum * rounded;
  return sums.abs_weighted_values * (factor - 1) + sums.abs_total_values * std::exp(-80.0);
}

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_REFERENCE_ERROR_BOUNDS_H_
