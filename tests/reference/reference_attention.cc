#include "tests/reference/reference_attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace plumbline {
namespace {

// The vector of one head in row `row` of [num_rows, heads, head_dim].
absl::Span<const double> HeadOf(absl::Span<const double> values, int64_t row, int64_t heads,
                                int64_t head, int64_t head_dim) {
  return values.subspan(static_cast<size_t>((row * heads + head) * head_dim),
                        static_cast<size_t>(head_dim));
}

double AbsDot(absl::Span<const double> a, absl::Span<const double> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] * b[i]);
  return sum;
}

// exp(s - max s); the sum of the results goes to *sum.
std::vector<double> SoftmaxNumerators(std::vector<double> scores, Rounder& rounder, double* sum) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  const std::vector<double> ones(scores.size(), 1.0);
  for (double& score : scores) {
    // The exponent is rounded too, which changes exp by that much again.
    const double exponent = rounder.Result(score - largest, score - largest, 2);
    const double weight = std::exp(exponent);
    score = rounder.Result(weight, weight * rounder.exp_units());
  }
  *sum = rounder.Dot(scores, ones);
  return scores;
}

// out: [head_dim], left alone where the row sees no key.
void AttendOneHead(const DenseAttentionShape& shape, int64_t row, int64_t head,
                   absl::Span<const double> q, absl::Span<const double> k,
                   absl::Span<const double> v, Rounder& rounder, double* out) {
  const int64_t visible = shape.VisibleKeys(row);
  if (visible == 0) return;
  const int64_t kv_head = head / (shape.heads / shape.kv_heads);
  const int64_t dim = shape.head_dim;
  std::vector<double> query;
  for (double x : q) query.push_back(rounder.AttentionOperand(x));
  std::vector<double> scores;
  for (int64_t j = 0; j < visible; ++j) {
    const double score =
        rounder.Dot(query, HeadOf(k, j, shape.kv_heads, kv_head, dim)) * shape.Scale();
    scores.push_back(rounder.Result(score, score));
  }
  double sum = 0;
  std::vector<double> weights = SoftmaxNumerators(std::move(scores), rounder, &sum);
  for (double& weight : weights) weight = rounder.AttentionOperand(weight);
  for (int64_t i = 0; i < dim; ++i) {
    const double* column = v.data() + kv_head * dim + i;
    const double value = rounder.StridedDot(weights, column, shape.kv_heads * dim) / sum;
    out[i] = rounder.Result(value, value);
  }
}

}  // namespace

double DenseAttentionShape::Scale() const {
  return scale != 0 ? scale : 1 / std::sqrt(static_cast<double>(head_dim));
}

int64_t DenseAttentionShape::VisibleKeys(int64_t row) const {
  return std::clamp<int64_t>(first + row + 1, 0, keys);
}

double AttentionResult::ErrorBound(int64_t index, const Precision& precision) const {
  const int64_t row_head = index / shape.head_dim;
  const auto i = static_cast<size_t>(index);
  return AttentionErrorBound(
      {abs_weighted_values[i], abs_total_values[i], max_abs_score[static_cast<size_t>(row_head)],
       shape.head_dim, shape.VisibleKeys(row_head / shape.heads), shape.scale_roundings},
      precision);
}

std::vector<double> RoundedAttention(const DenseAttentionShape& shape, absl::Span<const double> q,
                                     absl::Span<const double> k, absl::Span<const double> v,
                                     Rounder& rounder) {
  const int64_t dim = shape.head_dim;
  std::vector<double> out(static_cast<size_t>(shape.rows * shape.heads * dim), 0.0);
  for (int64_t row = 0; row < shape.rows; ++row) {
    for (int64_t head = 0; head < shape.heads; ++head) {
      AttendOneHead(shape, row, head, HeadOf(q, row, shape.heads, head, dim), k, v, rounder,
                    out.data() + (row * shape.heads + head) * dim);
    }
  }
  return out;
}

AttentionResult ReferenceAttention(const DenseAttentionShape& shape, absl::Span<const double> q,
                                   absl::Span<const double> k, absl::Span<const double> v) {
  AttentionResult result;
  result.shape = shape;
  Rounder exact = Rounder::Exact();
  result.out = RoundedAttention(shape, q, k, v, exact);
  std::vector<double> abs_v(v.begin(), v.end());
  for (double& value : abs_v) value = std::abs(value);
  // The weights depend on q and k alone, so attention over |v| is sum_j p_j |v_j|; with q at zero
  // the weights are all equal, so it is the mean of |v_j|.
  result.abs_weighted_values = RoundedAttention(shape, q, k, abs_v, exact);
  result.abs_total_values =
      RoundedAttention(shape, std::vector<double>(q.size(), 0.0), k, abs_v, exact);
  const int64_t group = shape.heads / shape.kv_heads;
  for (int64_t row = 0; row < shape.rows; ++row) {
    const int64_t visible = shape.VisibleKeys(row);
    for (int64_t head = 0; head < shape.heads; ++head) {
      double largest = 0;
      for (int64_t j = 0; j < visible; ++j) {
        largest =
            std::max(largest, AbsDot(HeadOf(q, row, shape.heads, head, shape.head_dim),
                                     HeadOf(k, j, shape.kv_heads, head / group, shape.head_dim)));
      }
      result.max_abs_score.push_back(largest * std::abs(shape.Scale()));
      for (int64_t i = 0; i < shape.head_dim; ++i) {
        result.abs_total_values[static_cast<size_t>((row * shape.heads + head) * shape.head_dim +
                                                    i)] *= static_cast<double>(visible);
      }
    }
  }
  return result;
}

std::vector<double> Widen(absl::Span<const float> values) { return {values.begin(), values.end()}; }

}  // namespace plumbline
