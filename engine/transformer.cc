#include "engine/transformer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/cost_model.h"
#include "engine/crew.h"
#include "engine/parallel.h"
#include "engine/pass_threads.h"

namespace plumbline {
namespace {

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
      in_crew_(RunsInCrew()),
      attention_({config.heads, config.kv_heads, config.head_dim, options.threads,
                  AttentionFormFor(options.kv_dtype, config.head_dim)}) {
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
  if (int8()) {
    buffers_.unrounded = UntouchedArray<float>(rows * std::max(config.query_width(), config.ffn));
    buffers_.scales = UntouchedArray<float>(rows);
    buffers_.last_scales = UntouchedArray<float>(options.max_logit_rows);
  }
  buffers_.last = UntouchedArray<std::byte>(options.max_logit_rows * config.width * bytes);
  buffers_.logits = UntouchedArray<float>(int64_t{1} * options.max_logit_rows * config.vocab);
  row_span_.reserve(rows);
  written_.resize(rows * 2 * config.kv_heads);
  logit_rows_.reserve(options.max_logit_rows);
  MeasureWeights();
}

NormParams Transformer::Norm(const std::vector<float>& gain, const std::vector<float>& bias) const {
  return {config_.norm, config_.norm_epsilon, gain.data(), OrNull(bias)};
}

void Transformer::CountVector(const Step& step, const std::vector<float>& vector) {
  step.work->bytes[static_cast<int>(WorkClass::kOther)] +=
      static_cast<int64_t>(vector.size() * sizeof(float));
}

void Transformer::CountChannels(const Step& step, const PackedMatrix& matrix) {
  step.work->bytes[static_cast<int>(WorkClass::kOther)] += matrix.channel_bytes();
}

absl::StatusOr<absl::Span<const float>> Transformer::Forward(const StepBatch& batch, KvStore& store,
                                                             StepWork* work) {
  absl::Status status = Check(batch, store);
  if (!status.ok()) return status;
  work->Reset(static_cast<int>(batch.spans.size()));
  StepClock clock(&work->seconds);
  const int threads =
      in_crew_ ? PassThreads(LayerMacs(batch), options_.threads, options_.least_shared_macs) : 0;
  Crew::Run(threads, [&] { status = Run({batch, store, work, clock}); });
  if (!status.ok()) return status;
  return absl::MakeConstSpan(buffers_.logits.get(),
                             static_cast<size_t>(batch.num_logit_rows) * config_.vocab);
}

absl::Status Transformer::Run(const Step& step) {
  Embed(step);
  ComputeAngles(step.batch);
  attention_.Prepare(step.batch);
  step.clock.Lap(WorkClass::kOther);
  absl::Status status;
  for (int layer = 0; layer < config_.layers && status.ok(); ++layer) {
    status = Attend(step, layer);
    if (status.ok()) status = FeedForward(step, layer);
  }
  return status.ok() ? Head(step) : status;
}

bool Transformer::RunsInCrew() const {
  const std::vector<const PackedMatrix*> matrices = Matrices();
  return std::none_of(matrices.begin(), matrices.end(),
                      [](const PackedMatrix* m) { return m->has_own_threads(); });
}

int64_t Transformer::LayerMacs(const StepBatch& batch) const {
  const LayerWeights& w = weights_.layers[0];
  int64_t macs = 0;
  for (const PackedMatrix* m : {w.qkv.get(), w.output.get(), w.up.get(), w.down.get()}) {
    macs += batch.num_tokens() * m->outputs() * m->inputs();
  }
  for (const BatchSpan& span : batch.spans) {
    macs += 2 * SpanPairs({span.first_position, span.count, 0}) * config_.query_width();
  }
  return macs;
}

// What becomes of results block by block is part of the product, in time, too.
absl::Status Transformer::Multiply(const Step& step, const Factor& factor, const std::byte* in,
                                   float* room, ResultSink sink) {
  PackedMatrix& matrix = factor.matrix;
  const auto work_class = static_cast<size_t>(factor.work_class);
  absl::Status status = matrix.RunInto(
      step.batch.num_tokens(), in, buffers_.scales.get(), room, sink,
      [&](int64_t row, int64_t rows) {
        step.work->AddRows(factor.work_class, step.batch, static_cast<int>(row),
                           static_cast<int>(rows), matrix.inputs() * matrix.outputs());
        step.work->bytes[work_class] += matrix.element_bytes_read();
        step.clock.Lap(factor.work_class);
      });
  CountChannels(step, matrix);
  CountVector(step, factor.bias);
  return status;
}

absl::Status Transformer::MultiplyAndAdd(const Step& step, const Factor& factor,
                                         const std::byte* in) {
  return Multiply(step, factor, in, buffers_.delta.get(), [&](const ResultBlock& block) {
    AddBlock(block, OrNull(factor.bias), config_.width, buffers_.residual.get());
  });
}

absl::Status Transformer::Attend(const Step& step, int layer) {
  const LayerWeights& w = weights_.layers[layer];
  NormRows(step, w.attention_norm, w.attention_norm_bias);
  float* const qkv = buffers_.qkv.get();
  absl::Status status =
      Multiply(step, {WorkClass::kProjections, *w.qkv, w.qkv_bias}, buffers_.normed.get(), qkv,
               [&](const ResultBlock& block) { TakeHeads(step, layer, block); });
  if (!status.ok()) return status;
  FinishAttentionInputs(step, layer);
  auto* unrounded = reinterpret_cast<std::byte*>(buffers_.unrounded.get());
  attention_.Run(step.batch, step.store, layer, qkv, w.qkv->outputs(),
                 int8() ? WeightDtype::kF32 : options_.weights,
                 int8() ? unrounded : buffers_.mixed.get(), step.work);
  step.clock.LapAttention(attention_.ticks());
  QuantizeAttended(step);
  return MultiplyAndAdd(step, {WorkClass::kProjections, *w.output, w.output_bias},
                        buffers_.mixed.get());
}

absl::Status Transformer::FeedForward(const Step& step, int layer) {
  const LayerWeights& w = weights_.layers[layer];
  NormRows(step, w.ffn_norm, w.ffn_norm_bias);
  absl::Status status =
      Multiply(step, {WorkClass::kFeedForward, *w.up, w.up_bias}, buffers_.normed.get(),
               buffers_.hidden.get(), [&](const ResultBlock& block) { ActivateBlock(w, block); });
  if (!status.ok()) return status;
  QuantizeActivated(step);
  return MultiplyAndAdd(step, {WorkClass::kFeedForward, *w.down, w.down_bias},
                        buffers_.active.get());
}

absl::Status Transformer::Head(const Step& step) {
  if (logit_rows_.empty()) return absl::OkStatus();
  const int64_t row_bytes = int64_t{1} * config_.width * WeightDtypeBytes(options_.weights);
  const NormParams norm = Norm(weights_.final_norm, weights_.final_norm_bias);
  ParallelFor(options_.threads, step.batch.num_logit_rows, [&](int64_t i) {
    NormResidual(norm, logit_rows_[i], buffers_.last.get() + i * row_bytes,
                 buffers_.last_scales.get() + i);
  });
  CountVector(step, weights_.final_norm);
  CountVector(step, weights_.final_norm_bias);
  step.clock.Lap(WorkClass::kOther);
  PackedMatrix& head = *weights_.head;
  float* const logits = buffers_.logits.get();
  absl::Status status = head.RunInto(
      step.batch.num_logit_rows, buffers_.last.get(), buffers_.last_scales.get(), logits,
      [&](const ResultBlock& block) { StoreBlock(block, nullptr, head.outputs(), logits); },
      [&](int64_t first, int64_t rows) {
        for (int64_t i = first; i < first + rows; ++i) {
          step.work->AddRows(WorkClass::kHead, step.batch, logit_rows_[i], 1,
                             head.inputs() * head.outputs());
        }
        step.work->bytes[static_cast<int>(WorkClass::kHead)] += head.element_bytes_read();
        step.clock.Lap(WorkClass::kHead);
      });
  CountChannels(step, head);
  return status;
}

}  // namespace plumbline
