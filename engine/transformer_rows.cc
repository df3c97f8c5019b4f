// The parts of the forward pass that go row by row: between the products of the matrices.
#include <algorithm>
#include <cmath>

#include "engine/int8_rows.h"
#include "engine/kv_convert.h"
#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/transformer.h"

namespace plumbline {

void Transformer::Embed(const Step& step) {
  row_span_.clear();
  logit_rows_.clear();
  // Which heads are written together may be another matter in this step than in the last.
  std::fill_n(written_.begin(), int64_t{2} * step.batch.num_tokens() * config_.kv_heads, 0);
  for (size_t i = 0; i < step.batch.spans.size(); ++i) {
    const BatchSpan& span = step.batch.spans[i];
    row_span_.insert(row_span_.end(), span.count, static_cast<int>(i));
    for (int r = span.count - span.logit_rows; r < span.count; ++r) {
      logit_rows_.push_back(span.row + r);
    }
  }
  const int width = config_.width;
  const WeightDtype dtype = EmbeddingDtype(options_.weights);
  const int64_t row_bytes = int64_t{1} * width * WeightDtypeBytes(dtype);
  const KvDtype stored = dtype == WeightDtype::kF32 ? KvDtype::kF32 : KvDtype::kBf16;
  const bool learned = config_.position == PositionKind::kLearned;
  ParallelFor(options_.threads, step.batch.num_tokens(), [&](int64_t row) {
    float* x = buffers_.residual.get() + row * width;
    WidenToF32(stored, weights_.embedding.get() + step.batch.token_ids[row] * row_bytes, width, x);
    if (!learned) return;
    float* position = buffers_.delta.get() + row * width;
    WidenToF32(stored, weights_.positions.get() + step.batch.positions[row] * row_bytes, width,
               position);
    AddRow(width, position, x);
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

void Transformer::NormResidual(const NormParams& norm, int64_t row, std::byte* out, float* scale) {
  const int width = config_.width;
  const float* x = buffers_.residual.get() + row * width;
  if (!int8()) return NormRow(norm, width, x, options_.weights, out);
  float* unrounded = buffers_.delta.get() + row * width;  // what was there has been added
  NormRow(norm, width, x, WeightDtype::kF32, reinterpret_cast<std::byte*>(unrounded));
  QuantizeRow(width, unrounded, out, scale);
}

void Transformer::NormRows(const Step& step, const std::vector<float>& gain,
                           const std::vector<float>& bias) {
  const int64_t row_bytes = int64_t{1} * config_.width * WeightDtypeBytes(options_.weights);
  const NormParams norm = Norm(gain, bias);
  ParallelFor(options_.threads, step.batch.num_tokens(), [&](int64_t row) {
    NormResidual(norm, row, buffers_.normed.get() + row * row_bytes, ScaleOf(row));
  });
  CountVector(step, gain);
  CountVector(step, bias);
  step.clock.Lap(WorkClass::kOther);
}

void Transformer::QuantizeAttended(const Step& step) {
  if (!int8()) return;
  const int width = config_.query_width();
  ParallelFor(options_.threads, step.batch.num_tokens(), [&](int64_t row) {
    QuantizeRow(width, buffers_.unrounded.get() + row * width, buffers_.mixed.get() + row * width,
                ScaleOf(row));
  });
  step.clock.Lap(WorkClass::kOther);
}

// Queries, keys and values lie side by side.
void Transformer::FinishHeads(const Step& step, int layer, int64_t row, const HeadRow& heads,
                              int first) {
  const auto pairs = static_cast<int64_t>(frequencies_.size());
  const int keys = config_.heads;  // the first head of keys
  const int values = keys + config_.kv_heads;
  const int end = first + heads.heads;
  if (pairs > 0 && first < values) {
    Rotate(config_.position, config_.rope_dims, buffers_.cosines.get() + row * pairs,
           buffers_.sines.get() + row * pairs,
           {std::min(end, values) - first, heads.head_dim, heads.values});
  }
  const BatchSpan& span = step.batch.spans[row_span_[row]];
  const PagedAttention::TokenPlace place = {step.store, layer, step.batch.blocks(span),
                                            step.batch.positions[row]};
  const auto write = [&](PagedAttention::Side side, int from, int to) {
    const int begin = std::max(first, from);
    const int count = std::min(end, to) - begin;
    if (count <= 0) return;
    const float* elements = heads.values + int64_t{1} * (begin - first) * heads.head_dim;
    written_[row * 2 * config_.kv_heads + begin - keys] =
        attention_.Write(place, {side, begin - from, count, elements});
  };
  write(PagedAttention::Side::kKeys, keys, values);
  write(PagedAttention::Side::kValues, values, values + config_.kv_heads);
}

void Transformer::TakeHeads(const Step& step, int layer, const ResultBlock& block) {
  const std::vector<float>& bias = weights_.layers[layer].qkv_bias;
  const int64_t qkv_width = weights_.layers[layer].qkv->outputs();
  if (!heads_in_blocks()) {
    return StoreBlock(block, OrNull(bias), qkv_width, buffers_.qkv.get());
  }
  const int head_dim = config_.head_dim;
  const auto first = static_cast<int>(block.output / head_dim);
  const auto heads = static_cast<int>(block.outputs / head_dim);
  for (int64_t row = 0; row < block.rows; ++row) {
    float* values = block.values + row * block.stride;
    if (!bias.empty()) AddRow(static_cast<int>(block.outputs), &bias[block.output], values);
    FinishHeads(step, layer, block.row + row, {heads, head_dim, values}, first);
  }
  // Attention reads keys and values where they have been written.
  if (block.output < config_.query_width()) {
    StoreBlock(block, nullptr, qkv_width, buffers_.qkv.get());
  }
}

void Transformer::FinishAttentionInputs(const Step& step, int layer) {
  const int64_t qkv_width = weights_.layers[layer].qkv->outputs();
  const int heads = config_.heads + 2 * config_.kv_heads;
  if (!heads_in_blocks()) {
    ParallelFor(options_.threads, step.batch.num_tokens(), [&](int64_t row) {
      float* const values = buffers_.qkv.get() + row * qkv_width;
      FinishHeads(step, layer, row, {heads, config_.head_dim, values}, 0);
    });
  }
  const int64_t kv_heads = config_.kv_heads;
  for (int64_t row = 0; row < step.batch.num_tokens(); ++row) {
    for (int64_t head = 0; head < kv_heads; ++head) {
      const int64_t* const written = written_.data() + row * 2 * kv_heads + head;
      step.work->bytes[static_cast<int>(WorkClass::kScores)] += written[0];
      step.work->bytes[static_cast<int>(WorkClass::kWeightedValues)] += written[kv_heads];
    }
  }
  step.clock.Lap(WorkClass::kOther);
}

void Transformer::ActivateBlock(const LayerWeights& w, const ResultBlock& block) {
  static_assert(kResultOutputs % (2 * kGateTurn) == 0, "a block ends with a turn");
  const FeedForwardKind kind = config_.feed_forward;
  const int turns = kind == FeedForwardKind::kSwiGlu ? 2 : 1;  // outputs of one activation
  const auto count = static_cast<int>(block.outputs / turns);
  const float* bias = w.up_bias.empty() ? nullptr : w.up_bias.data() + block.output;
  const WeightDtype dtype = int8() ? WeightDtype::kF32 : options_.weights;
  std::byte* const out =
      int8() ? reinterpret_cast<std::byte*>(buffers_.unrounded.get()) : buffers_.active.get();
  for (int64_t row = 0; row < block.rows; ++row) {
    const int64_t at = (block.row + row) * config_.ffn + block.output / turns;
    Activate(kind, count, block.values + row * block.stride, bias, dtype,
             out + at * WeightDtypeBytes(dtype));
  }
}

void Transformer::QuantizeActivated(const Step& step) {
  if (!int8()) return;
  const int ffn = config_.ffn;
  ParallelFor(options_.threads, step.batch.num_tokens(), [&](int64_t row) {
    QuantizeRow(ffn, buffers_.unrounded.get() + row * ffn, buffers_.active.get() + row * ffn,
                ScaleOf(row));
  });
  step.clock.Lap(WorkClass::kOther);
}

}  // namespace plumbline
