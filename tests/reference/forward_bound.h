// How far an engine's logits may lie from the reference's.
//
// A worst-case bound carried through the layers is of no use: each matmul of inner width n turns
// an error of e per element into as much as sqrt(n) e, and four such matmuls per layer give a
// bound larger than the logits themselves after two layers. So the bound is a probable one.
//
// To first order, an engine's error in one logit is a sum over all its roundings, sum_k J_k d_k,
// where J_k says how the logit answers to rounding k and |d_k| <= b_k is that rounding's local
// limit (unit times the size of what is rounded; for a dot product, unit times the root of the sum
// of squares of its partial sums). Where the d_k are independent and of mean zero, Hoeffding's
// inequality gives |error| <= lambda sqrt(sum_k J_k^2 b_k^2) with a chance of failure of at most
// 2 exp(-lambda^2 / 2): the model and the argument of Higham and Mary (2019; see error_bounds.h).
//
// The root is measured instead of derived: with d_k = +b_k or -b_k at random the logit's variance
// is exactly sum_k J_k^2 b_k^2. So the reference runs some passes with random signs
// (Rounder::RandomSigns) and takes the deviation from its exact pass. A logit's own few samples may
// fall low by chance, so the deviation of all logits of its position, if larger, stands in.
// Lambda follows from the number of logits and the accepted chance of failure (LambdaFor).
#ifndef PLUMBLINE_TESTS_REFERENCE_FORWARD_BOUND_H_
#define PLUMBLINE_TESTS_REFERENCE_FORWARD_BOUND_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "tests/reference/error_bounds.h"
#include "tests/reference/reference_model.h"

namespace plumbline {

struct ForwardBoundOptions {
  Precision precision;
  int samples = 16;
  double failure_probability = 1e-6;  // that any one logit of all exceeds its bound by chance
  uint64_t seed = 1;
};

struct ForwardBound {
  std::vector<std::vector<double>> logits;  // exact, [num_tokens][vocab]
  std::vector<std::vector<double>> bounds;  // absolute, [num_tokens][vocab]

  // The largest |actual - logit| / bound of position `position`: above 1 means a fault; NaN counts
  // as infinite. `actual`: [vocab].
  double WorstRatio(size_t position, absl::Span<const double> actual) const;
  double WorstRatio(size_t position, absl::Span<const float> actual) const;
  // Over all positions. REQUIRES: `actual` has the shape of `logits`.
  double WorstRatio(const std::vector<std::vector<double>>& actual) const;
};

ForwardBound BoundForward(const ReferenceModel& model, absl::Span<const int32_t> tokens,
                          const ForwardBoundOptions& options);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_REFERENCE_FORWARD_BOUND_H_
