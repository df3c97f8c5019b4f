#include "tests/reference/reference_model.h"

#include <cmath>
#include <cstddef>
#include <numbers>

#include "tests/reference/reference_attention.h"

namespace plumbline {
namespace {

double Silu(double x) { return x / (1 + std::exp(-x)); }

// The tanh form of GPT-2.
double Gelu(double x) {
  const double inner = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1 + std::tanh(inner));
}

// a += b, row by row.
void AddRows(std::vector<std::vector<double>>& a, const std::vector<std::vector<double>>& b,
             Rounder& rounder) {
  for (size_t row = 0; row < a.size(); ++row) {
    for (size_t i = 0; i < a[row].size(); ++i) {
      const double sum = a[row][i] + b[row][i];
      a[row][i] = rounder.Result(sum, sum);
    }
  }
}

}  // namespace

std::vector<double> ReferenceModel::Normalize(const Norm& norm, const Vector& x,
                                              Rounder& rounder) const {
  const auto width = static_cast<double>(x.size());
  Vector centred = x;
  if (config_.norm == NormKind::kLayer) {
    const double mean = rounder.Dot(x, Vector(x.size(), 1.0)) / width;
    for (double& value : centred) value = rounder.Result(value - mean, value - mean);
  }
  const double mean_square = rounder.Dot(centred, centred) / width;
  const double exact_inverse = 1 / std::sqrt(mean_square + config_.norm_epsilon);
  // Four roundings: the division, the sum, the root and its inverse.
  const double inverse = rounder.Result(exact_inverse, exact_inverse, 4);
  Vector y(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double scaled = centred[i] * inverse * norm.weight[i];
    y[i] = rounder.Result(scaled, scaled, 2);
    if (!norm.bias.empty()) y[i] = rounder.Result(y[i] + norm.bias[i], y[i] + norm.bias[i]);
  }
  return y;
}

std::vector<double> ReferenceModel::Apply(const Linear& linear, const Vector& x, Rounder& rounder) {
  const Vector operands = rounder.OperandRow(x);
  Vector y(static_cast<size_t>(linear.rows));
  for (size_t row = 0; row < y.size(); ++row) {
    const auto columns = static_cast<size_t>(linear.row_elements);
    y[row] = rounder.Dot(operands, {linear.weight.data() + row * columns, columns});
    if (!linear.bias.empty()) {
      y[row] = rounder.Result(y[row] + linear.bias[row], y[row] + linear.bias[row]);
    }
  }
  return y;
}

void ReferenceModel::Rotate(double* x, int64_t heads, int64_t position, Rounder& rounder) const {
  const int pairs = config_.rope_dims / 2;
  const bool neighbours = config_.position == PositionKind::kRopeNeighbours;
  for (int64_t head = 0; head < heads; ++head, x += config_.head_dim) {
    for (int i = 0; i < pairs; ++i) {
      const double angle = static_cast<double>(position) * config_.rope_scale *
                           std::pow(config_.rope_base, -2.0 * i / config_.rope_dims);
      double& first = x[neighbours ? 2 * i : i];
      double& second = x[neighbours ? 2 * i + 1 : i + pairs];
      const double length = std::hypot(first, second);
      const double turned_first = first * std::cos(angle) - second * std::sin(angle);
      const double turned_second = first * std::sin(angle) + second * std::cos(angle);
      // Sine and cosine rounded once each, two products, one sum.
      first = rounder.Result(turned_first, length, 4);
      second = rounder.Result(turned_second, length, 4);
    }
  }
}

ReferenceModel::Rows ReferenceModel::Embed(absl::Span<const int32_t> tokens,
                                           Rounder& rounder) const {
  const auto width = static_cast<size_t>(config_.width);
  Rows x;
  Rows positions;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const double* row = token_embedding_.weight.data() + static_cast<size_t>(tokens[i]) * width;
    x.emplace_back(row, row + width);
    if (config_.position != PositionKind::kLearned) continue;
    const double* position = positions_.weight.data() + i * width;
    positions.emplace_back(position, position + width);
  }
  if (!positions.empty()) AddRows(x, positions, rounder);
  return x;
}

ReferenceModel::Rows ReferenceModel::Attend(const Layer& layer, const Rows& normed,
                                            Rounder& rounder, const ReferenceFaults& faults) const {
  Vector q;  // [num_tokens, heads, head_dim]
  Vector k;  // [num_tokens, kv_heads, head_dim]
  Vector v;
  for (size_t i = 0; i < normed.size(); ++i) {
    Vector qkv = Apply(layer.qkv, normed[i], rounder);
    double* key = qkv.data() + config_.query_width();
    double* value = key + config_.kv_width();
    if (config_.position != PositionKind::kLearned) {
      const auto position = static_cast<int64_t>(i);
      Rotate(qkv.data(), config_.heads, position + faults.query_position_shift, rounder);
      Rotate(key, config_.kv_heads, position + faults.key_position_shift, rounder);
    }
    q.insert(q.end(), qkv.data(), key);
    const auto head_dim = static_cast<size_t>(config_.head_dim);
    for (double* head = key; head != value; head += head_dim) {
      const std::vector<double> stored = rounder.StoredRow({head, head_dim});
      k.insert(k.end(), stored.begin(), stored.end());
    }
    for (double* head = value; head != qkv.data() + qkv.size(); head += head_dim) {
      const std::vector<double> stored = rounder.StoredRow({head, head_dim});
      v.insert(v.end(), stored.begin(), stored.end());
    }
  }
  DenseAttentionShape shape;
  shape.rows = shape.keys = static_cast<int64_t>(normed.size());
  shape.first = faults.visible_shift;
  shape.heads = config_.heads;
  shape.kv_heads = config_.kv_heads;
  shape.head_dim = config_.head_dim;
  const Vector mixed = RoundedAttention(shape, q, k, v, rounder);
  Rows out;
  const auto width = static_cast<size_t>(config_.query_width());
  for (size_t i = 0; i < normed.size(); ++i) {
    const double* row = mixed.data() + i * width;
    out.push_back(Apply(layer.attention_output, Vector(row, row + width), rounder));
  }
  return out;
}

std::vector<double> ReferenceModel::FeedForward(const Layer& layer, const Vector& normed,
                                                Rounder& rounder) const {
  Vector inner = Apply(layer.up, normed, rounder);
  if (config_.feed_forward == FeedForwardKind::kSwiGlu) {
    const Vector gate = Apply(layer.gate, normed, rounder);
    for (size_t i = 0; i < inner.size(); ++i) {
      const double gated = Silu(gate[i]) * inner[i];
      inner[i] = rounder.Result(gated, gated * kFunctionUnits);
    }
  } else {
    for (double& value : inner) {
      // 1 + tanh is rounded at the size of 1, even where it is near zero.
      const double size = std::abs(value);
      value = rounder.Result(Gelu(value), size * kFunctionUnits);
    }
  }
  return Apply(layer.down, inner, rounder);
}

std::vector<std::vector<double>> ReferenceModel::Logits(absl::Span<const int32_t> tokens) const {
  Rounder exact = Rounder::Exact();
  return RoundedLogits(tokens, exact);
}

std::vector<std::vector<double>> ReferenceModel::RoundedLogits(
    absl::Span<const int32_t> tokens, Rounder& rounder, const ReferenceFaults& faults) const {
  Rows x = Embed(tokens, rounder);
  for (const Layer& layer : layers_) {
    Rows normed;
    for (const Vector& row : x) normed.push_back(Normalize(layer.attention_norm, row, rounder));
    AddRows(x, Attend(layer, normed, rounder, faults), rounder);
    Rows update;
    for (const Vector& row : x) {
      update.push_back(FeedForward(layer, Normalize(layer.ffn_norm, row, rounder), rounder));
    }
    AddRows(x, update, rounder);
  }
  const Linear& head = head_.weight.empty() ? token_embedding_ : head_;
  Rows logits;
  for (const Vector& row : x) {
    logits.push_back(Apply(head, Normalize(output_norm_, row, rounder), rounder));
  }
  return logits;
}

}  // namespace plumbline
