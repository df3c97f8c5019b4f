// Causal attention of one span over explicit K and V, dense, in double: the definition, to hold
// the paged kernels against.
#ifndef PLUMBLINE_TESTS_REFERENCE_REFERENCE_ATTENTION_H_
#define PLUMBLINE_TESTS_REFERENCE_REFERENCE_ATTENTION_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "tests/reference/error_bounds.h"
#include "tests/reference/rounder.h"

namespace plumbline {

struct DenseAttentionShape {
  int64_t rows = 0;   // c: rows of the span
  int64_t first = 0;  // position of row 0; row i sees keys 0 .. first + i (and no more than there
                      // are; a row that sees none gives zeros)
  int64_t keys = 0;   // t: rows of K and V
  int heads = 0;      // h
  int kv_heads = 0;   // g; divides h: query head i reads KV head i / (h / g)
  int head_dim = 0;   // e
  double scale = 0;   // of the scores; 0 means 1 / sqrt(head_dim)
  int scale_roundings = 0;  // of the bound (AttentionSums)

  double Scale() const;
  int64_t VisibleKeys(int64_t row) const;
};

struct AttentionResult {
  DenseAttentionShape shape;
  std::vector<double> out;                  // [rows, heads, head_dim]
  std::vector<double> abs_weighted_values;  // [rows, heads, head_dim]: sum_j p_j |v_j|
  std::vector<double> abs_total_values;     // [rows, heads, head_dim]: sum_j |v_j|
  std::vector<double> max_abs_score;        // [rows, heads]: max_j scale * sum_i |q_i| |k_i|

  // The worst-case error of out[index] when K and V are exact (AttentionErrorBound).
  double ErrorBound(int64_t index, const Precision& precision) const;
};

// q: [rows, heads, head_dim]; k, v: [keys, kv_heads, head_dim].
// REQUIRES: the spans have these sizes; rows and keys may be 0.
AttentionResult ReferenceAttention(const DenseAttentionShape& shape, absl::Span<const double> q,
                                   absl::Span<const double> k, absl::Span<const double> v);

// The output alone, with the roundings of `rounder`. K and V are taken as they are (already
// stored).
std::vector<double> RoundedAttention(const DenseAttentionShape& shape, absl::Span<const double> q,
                                     absl::Span<const double> k, absl::Span<const double> v,
                                     Rounder& rounder);

// Floats as doubles.
std::vector<double> Widen(absl::Span<const float> values);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_REFERENCE_REFERENCE_ATTENTION_H_
