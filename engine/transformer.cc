#include "engine/transformer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/kv_convert.h"
#include "engine/ops.h"
#include "engine/parallel.h"

namespace plumbline {
namespace {

const float* DataOrNull(const std::vector<float>& vector) {
  return vector.empty() ? nullptr : vector.data();
}

// Angle per position of each rotated pair: base^(-2 i / rope_dims).
std::vector<double> Frequencies(const ModelConfig& config) {
  std::vector<double> frequencies(config.rope_dims / 2);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / config.rope_dims;
    frequencies[i] = std::pow(config.rope_base, exponent) * config.rope_scale;
    if (!config.rope_factors.empty()) frequencies[i] /= config.rope_factors[i];
  }
  return frequencies;
}

}  // namespace

Transformer::Transformer(const ModelConfig& config, const ModelOptions& options,
                         std::unique_ptr<MatmulContext> context, ModelWeights weights)
    : config_(config),
      options_(options),
      context_(std::move(context)),
      weights_(std::move(weights)),
      attention_({config.heads, config.kv_heads, config.head_dim, options.threads}) {
  const int64_t rows = options.max_step_tokens;
  const int64_t qkv_width = config.query_width() + 2 * config.kv_width();
  const int64_t up_width = int64_t{1} * config.ffn * (config.feed_forward_matrices() - 1);
  const int64_t bytes = WeightDtypeBytes(options.weights);
  buffers_.residual = UntouchedArray<float>(rows * config.width);
  buffers_.normed = UntouchedArray<std::byte>(rows * config.width * bytes);
  buffers_.qkv = UntouchedArray<float>(rows * qkv_width);
  buffers_.mixed = UntouchedArray<std::byte>(rows * config.query_width() * bytes);
  buffers_.delta = UntouchedArray<float>(rows * config.width);
  buffers_.hidden = UntouchedArray<float>(rows * up_width);
  buffers_.active = UntouchedArray<std::byte>(rows * config.ffn * bytes);
  if (config.position != PositionKind::kLearned) {
    frequencies_ = Frequencies(config);
    buffers_.cosines = UntouchedArray<float>(rows * (config.rope_dims / 2));
    buffers_.sines = UntouchedArray<float>(rows * (config.rope_dims / 2));
  }
  buffers_.last = UntouchedArray<std::byte>(options.max_logit_rows * config.width * bytes);
  buffers_.logits = UntouchedArray<float>(int64_t{1} * options.max_logit_rows * config.vocab);
  row_span_.reserve(rows);
  written_.resize(rows);
  logit_rows_.reserve(options.max_logit_rows);
  MeasureWeights();
}

NormParams Transformer::Norm(const std::vector<float>& gain, const std::vector<float>& bias) const {
  return {config_.norm, config_.norm_epsilon, gain.data(), DataOrNull(bias)};
}

void Transformer::CountVector(const Step& step, const std::vector<float>& vector) {
  step.work->bytes[static_cast<int>(WorkClass::kOther)] +=
      static_cast<int64_t>(vector.size() * sizeof(float));
}

absl::StatusOr<absl::Span<const float>> Transformer::Forward(const StepBatch& batch, KvStore& store,
                                                             StepWork* work) {
  absl::Status status = Check(batch, store);
  if (!status.ok()) return status;
  work->Reset(static_cast<int>(batch.spans.size()));
  StepClock clock(&work->seconds);
  const Step step = {batch, store, work, clock};
  Embed(step);
  ComputeAngles(batch);
  attention_.Prepare(batch);
  clock.Lap(WorkClass::kOther);
  for (int layer = 0; layer < config_.layers && status.ok(); ++layer) {
    status = Attend(step, layer);
    if (status.ok()) status = FeedForward(step, layer);
  }
  if (status.ok()) status = Head(step);
  if (!status.ok()) return status;
  return absl::MakeConstSpan(buffers_.logits.get(),
                             static_cast<size_t>(batch.num_logit_rows) * config_.vocab);
}

void Transformer::Embed(const Step& step) {
  row_span_.clear();
  logit_rows_.clear();
  for (size_t i = 0; i < step.batch.spans.size(); ++i) {
    const BatchSpan& span = step.batch.spans[i];
    row_span_.insert(row_span_.end(), span.count, static_cast<int>(i));
    for (int r = span.count - span.logit_rows; r < span.count; ++r) {
      logit_rows_.push_back(span.row + r);
    }
  }
  const int width = config_.width;
  const int64_t row_bytes = int64_t{1} * width * WeightDtypeBytes(options_.weights);
  const KvDtype stored = options_.weights == WeightDtype::kF32 ? KvDtype::kF32 : KvDtype::kBf16;
  const bool learned = config_.position == PositionKind::kLearned;
  ParallelFor(options_.threads, step.batch.num_tokens(), [&](int64_t row) {
    float* x = buffers_.residual.get() + row * width;
    WidenToF32(stored, weights_.embedding.get() + step.batch.token_ids[row] * row_bytes, width, x);
    if (!learned) return;
    float* position = buffers_.delta.get() + row * width;
    WidenToF32(stored, weights_.positions.get() + step.batch.positions[row] * row_bytes, width,
               position);
    AddBias(width, position, x);
  });
  step.work->bytes[static_cast<int>(WorkClass::kOther)] +=
      step.batch.num_tokens() * row_bytes * (learned ? 2 : 1);
}

void Transformer::ComputeAngles(const StepBatch& batch) {
  const auto pairs = static_cast<int64_t>(frequencies_.size());
  if (pairs == 0) return;
  ParallelFor(options_.threads, batch.num_tokens(), [&](int64_t row) {
    for (int64_t i = 0; i < pairs; ++i) {
      const double angle = batch.positions[row] * frequencies_[i];
      buffers_.cosines[row * pairs + i] = static_cast<float>(std::cos(angle));
      buffers_.sines[row * pairs + i] = static_cast<float>(std::sin(angle));
    }
  });
}

void Transformer::NormRows(const Step& step, const float* delta,
                           const std::vector<float>& delta_bias, const std::vector<float>& gain,
                           const std::vector<float>& bias) {
  const int width = config_.width;
  const int64_t row_bytes = int64_t{1} * width * WeightDtypeBytes(options_.weights);
  const NormParams norm = Norm(gain, bias);
  ParallelFor(options_.threads, step.batch.num_tokens(), [&](int64_t row) {
    AddAndNorm(norm, width, delta == nullptr ? nullptr : delta + row * width,
               DataOrNull(delta_bias), buffers_.residual.get() + row * width, options_.weights,
               buffers_.normed.get() + row * row_bytes);
  });
  CountVector(step, gain);
  CountVector(step, bias);
  CountVector(step, delta_bias);
  step.clock.Lap(WorkClass::kOther);
}

absl::Status Transformer::Multiply(const Step& step, WorkClass work_class, PackedMatrix& matrix,
                                   const std::byte* in, float* out) {
  const int64_t macs_per_row = matrix.inputs() * matrix.outputs();
  absl::Status status =
      matrix.Run(step.batch.num_tokens(), in, out, [&](int64_t row, int64_t rows) {
        step.work->AddRows(work_class, step.batch, static_cast<int>(row), static_cast<int>(rows),
                           macs_per_row);
        step.work->bytes[static_cast<int>(work_class)] += matrix.element_bytes_read();
      });
  step.clock.Lap(work_class);
  return status;
}

absl::Status Transformer::Attend(const Step& step, int layer) {
  const LayerWeights& w = weights_.layers[layer];
  // The first norm has nothing to add yet; later ones add what the layer before left.
  const float* delta = layer == 0 ? nullptr : buffers_.delta.get();
  const std::vector<float> none;
  const std::vector<float>& delta_bias = layer == 0 ? none : weights_.layers[layer - 1].down_bias;
  NormRows(step, delta, delta_bias, w.attention_norm, w.attention_norm_bias);
  absl::Status status =
      Multiply(step, WorkClass::kProjections, *w.qkv, buffers_.normed.get(), buffers_.qkv.get());
  if (!status.ok()) return status;
  RotateAndStore(step, layer);
  const int64_t qkv_width = config_.query_width() + 2 * config_.kv_width();
  attention_.Run(step.batch, step.store, layer, buffers_.qkv.get(), qkv_width, options_.weights,
                 buffers_.mixed.get(), step.work);
  step.clock.LapAttention(attention_.ticks());
  return Multiply(step, WorkClass::kProjections, *w.output, buffers_.mixed.get(),
                  buffers_.delta.get());
}

void Transformer::RotateAndStore(const Step& step, int layer) {
  const LayerWeights& w = weights_.layers[layer];
  const int query_width = config_.query_width();
  const int kv_width = config_.kv_width();
  const int qkv_width = query_width + 2 * kv_width;
  const auto pairs = static_cast<int64_t>(frequencies_.size());
  ParallelFor(options_.threads, step.batch.num_tokens(), [&](int64_t row) {
    float* q = buffers_.qkv.get() + row * qkv_width;
    if (!w.qkv_bias.empty()) AddBias(qkv_width, w.qkv_bias.data(), q);
    // Queries and keys lie side by side: heads + kv_heads heads to rotate.
    for (int head = 0; pairs > 0 && head < config_.heads + config_.kv_heads; ++head) {
      Rotate(config_.position, config_.rope_dims, buffers_.cosines.get() + row * pairs,
             buffers_.sines.get() + row * pairs, q + int64_t{1} * head * config_.head_dim);
    }
    const BatchSpan& span = step.batch.spans[row_span_[row]];
    written_[row] =
        attention_.Write(step.store, layer, step.batch.blocks(span), step.batch.positions[row],
                         q + query_width, q + query_width + kv_width);
  });
  CountVector(step, w.qkv_bias);
  for (int row = 0; row < step.batch.num_tokens(); ++row) {
    step.work->bytes[static_cast<int>(WorkClass::kScores)] += written_[row].keys;
    step.work->bytes[static_cast<int>(WorkClass::kWeightedValues)] += written_[row].values;
  }
  step.clock.Lap(WorkClass::kOther);
}

absl::Status Transformer::FeedForward(const Step& step, int layer) {
  const LayerWeights& w = weights_.layers[layer];
  NormRows(step, buffers_.delta.get(), w.output_bias, w.ffn_norm, w.ffn_norm_bias);
  absl::Status status =
      Multiply(step, WorkClass::kFeedForward, *w.up, buffers_.normed.get(), buffers_.hidden.get());
  if (!status.ok()) return status;
  const int64_t up_width = w.up->outputs();
  const int64_t active_bytes = int64_t{1} * config_.ffn * WeightDtypeBytes(options_.weights);
  ParallelFor(options_.threads, step.batch.num_tokens(), [&](int64_t row) {
    Activate(config_.feed_forward, config_.ffn, buffers_.hidden.get() + row * up_width,
             DataOrNull(w.up_bias), options_.weights, buffers_.active.get() + row * active_bytes);
  });
  CountVector(step, w.up_bias);
  step.clock.Lap(WorkClass::kOther);
  return Multiply(step, WorkClass::kFeedForward, *w.down, buffers_.active.get(),
                  buffers_.delta.get());
}

absl::Status Transformer::Head(const Step& step) {
  if (logit_rows_.empty()) return absl::OkStatus();
  const std::vector<float>& last_bias = weights_.layers.back().down_bias;
  const int width = config_.width;
  const int64_t row_bytes = int64_t{1} * width * WeightDtypeBytes(options_.weights);
  const NormParams norm = Norm(weights_.final_norm, weights_.final_norm_bias);
  ParallelFor(options_.threads, step.batch.num_logit_rows, [&](int64_t i) {
    const int64_t row = logit_rows_[i];
    AddAndNorm(norm, width, buffers_.delta.get() + row * width, DataOrNull(last_bias),
               buffers_.residual.get() + row * width, options_.weights,
               buffers_.last.get() + i * row_bytes);
  });
  CountVector(step, last_bias);
  CountVector(step, weights_.final_norm);
  CountVector(step, weights_.final_norm_bias);
  step.clock.Lap(WorkClass::kOther);
  PackedMatrix& head = *weights_.head;
  absl::Status status =
      head.Run(step.batch.num_logit_rows, buffers_.last.get(), buffers_.logits.get(),
               [&](int64_t first, int64_t rows) {
                 for (int64_t i = first; i < first + rows; ++i) {
                   step.work->AddRows(WorkClass::kHead, step.batch, logit_rows_[i], 1,
                                      head.inputs() * head.outputs());
                 }
                 step.work->bytes[static_cast<int>(WorkClass::kHead)] += head.element_bytes_read();
               });
  step.clock.Lap(WorkClass::kHead);
  return status;
}

}  // namespace plumbline
