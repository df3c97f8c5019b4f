#include "engine/memory_plan.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "engine/cost_model.h"
#include "engine/counter_cost.h"
#include "engine/cutting.h"
#include "engine/rounding.h"

namespace plumbline {
namespace {

// The engine's scratch, restated as in cutting.h: a test holds the real buffers against these.
constexpr int64_t kReadRows = 16;           // of a matrix being read, by a thread at once
constexpr int64_t kQ4Outputs = 16;          // of a tile of q4, which is stored whole
constexpr int64_t kSplitBytes = 4ll << 20;  // partials of split tiles, by thread
constexpr int64_t kRowBookBytes = 4;        // a row's span
constexpr int64_t kHeadBookBytes = 2 * 8;   // what a KV head of a row wrote
constexpr int64_t kLogitBookBytes = 4;      // which row wants logits
constexpr int64_t kFrequencyBytes = 8;

constexpr int64_t kMostBytes = std::numeric_limits<int64_t>::max();

// Sums and products that stop at the largest int64_t. Operands are not negative.
int64_t Plus(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? kMostBytes : sum;
}
int64_t Times(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? kMostBytes : product;
}

struct Matrix {
  int64_t outputs;
  int64_t inputs;
};

// The matrices of one layer in the order of loading, and the head.
struct Matrices {
  Matrix qkv, output, up, down, head;

  explicit Matrices(const ModelConfig& c)
      : qkv{c.query_width() + int64_t{2} * c.kv_width(), c.width},
        output{c.width, c.query_width()},
        up{int64_t{c.ffn} * (c.feed_forward_matrices() - 1), c.width},
        down{c.width, c.ffn},
        head{c.vocab, c.width} {}
};

int64_t Packed(const MemoryShape& shape, const Matrix& matrix) {
  return PackedBytes(matrix.outputs, matrix.inputs, shape.weights, shape.matmul.blocked);
}

int64_t UnpaddedBytes(const MemoryShape& shape, const Matrix& matrix) {
  return matrix.outputs *
         (WeightRowBytes(shape.weights, matrix.inputs) + WeightChannelBytes(shape.weights));
}

// Bytes of the rows as they are read by every thread, and of the plain rows that they become before
// they are packed: those of the whole matrix, or as many as are read.
int64_t PackingBytes(const MemoryShape& shape, const Matrix& matrix) {
  const int64_t row_bytes = WeightRowBytes(shape.weights, matrix.inputs);
  const int64_t parts = CeilDiv(matrix.outputs, kReadRows);
  const int64_t read = kReadRows * std::min<int64_t>(shape.threads, parts);
  const int64_t floats = read * matrix.inputs * cutting::kFloatBytes;
  if (shape.weights == WeightDtype::kQ4) return floats;  // stored as it is read
  return floats + (shape.matmul.packed_as_read ? read : matrix.outputs) * row_bytes;
}

int64_t LoadPeakBytes(const MemoryShape& shape, const WeightPlan& weights) {
  const Matrices m(shape.config);
  const int64_t layer =
      Packed(shape, m.qkv) + Packed(shape, m.output) + Packed(shape, m.up) + Packed(shape, m.down);
  // Matrices of the last layer meet all that came before them; the head comes last.
  int64_t packed = weights.total() - weights.head - layer;
  int64_t peak = 0;
  for (const Matrix& matrix : {m.qkv, m.output, m.up, m.down, m.head}) {
    packed += Packed(shape, matrix);
    peak = std::max(peak, packed + PackingBytes(shape, matrix));
  }
  return peak + shape.matmul.compiled_bytes + shape.matmul.scratch_bytes;
}

int64_t AttentionScratchBytes(const MemoryShape& shape) {
  const CostShape cost =
      CostShape::From(shape.config, shape.weights, shape.kv_dtype, shape.block_tokens);
  const int64_t split = shape.threads > 1 ? kSplitBytes : 0;
  return TiledScratchBytes(cost, shape.threads) + shape.threads * split;
}

// The largest count from 0 to `most` that fits, where larger ones take no less.
template <class Fits>
int64_t LargestThatFits(int64_t most, const Fits& fits) {
  int64_t low = 0;
  int64_t high = most;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2 + 1;
    if (fits(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

}  // namespace

int64_t WeightPlan::total() const {
  return Plus(embedding, projections + feed_forward + head + vectors);
}

int64_t MemoryPlan::total() const {
  return Plus(Plus(cache.allocated_bytes, weights.total()), Total(scratch) + compiled_bytes);
}

int64_t MemoryPlan::needed() const { return std::max(total(), load_peak_bytes); }

bool Fits(const MemoryPlan& plan, int64_t memory_bytes) {
  return plan.needed() < kMostBytes && plan.needed() <= memory_bytes &&
         plan.cache.blocks <= std::numeric_limits<BlockId>::max();
}

int64_t Total(const ScratchSizes& sizes) {
  return sizes.activations + sizes.logits + sizes.attention + sizes.matmul;
}

int64_t PackedBytes(int64_t outputs, int64_t inputs, WeightDtype dtype, bool blocked) {
  const int64_t row_bytes = WeightRowBytes(dtype, inputs);
  const int64_t channels = outputs * WeightChannelBytes(dtype);
  if (dtype == WeightDtype::kQ4) return RoundUp(outputs, kQ4Outputs) * row_bytes + channels;
  if (!blocked) return outputs * row_bytes + channels;
  return RoundUp(outputs, kPackedOutputs) * RoundUp(row_bytes, kPackedInputBytes) + channels;
}

WeightPlan PlanWeights(const MemoryShape& shape) {
  const ModelConfig& c = shape.config;
  const CostShape s = CostShape::From(c, shape.weights, shape.kv_dtype, shape.block_tokens);
  const Matrices m(c);
  WeightPlan plan;
  plan.projections = s.L * (Packed(shape, m.qkv) + Packed(shape, m.output));
  plan.feed_forward = s.L * (Packed(shape, m.up) + Packed(shape, m.down));
  plan.head = Packed(shape, m.head);
  const int64_t positions = c.position == PositionKind::kLearned ? c.context : 0;
  plan.embedding = (s.V + positions) * s.d * s.embedding_bytes();
  plan.vectors = (s.L * s.layer_small_elements + s.final_small_elements) * cutting::kFloatBytes;
  const auto padding = [&](const Matrix& matrix) {
    return Packed(shape, matrix) - UnpaddedBytes(shape, matrix);
  };
  plan.padding = s.L * (padding(m.qkv) + padding(m.output) + padding(m.up) + padding(m.down)) +
                 padding(m.head);
  return plan;
}

ScratchSizes PlanScratch(const MemoryShape& shape, int64_t step_tokens, int64_t logit_rows) {
  const ModelConfig& c = shape.config;
  const int64_t b = WeightDtypeBytes(shape.weights);
  const bool int8 = IsWhole(shape.weights);
  const Matrices m(c);
  const int64_t pairs = c.position == PositionKind::kLearned ? 0 : c.rope_dims / 2;
  // Residual and what a sublayer adds; normed; QKV; heads' output; up and its activation; angles.
  const int64_t row =
      2 * c.width * cutting::kFloatBytes + c.width * b + m.qkv.outputs * cutting::kFloatBytes +
      c.query_width() * b + m.up.outputs * cutting::kFloatBytes + c.ffn * b +
      2 * pairs * cutting::kFloatBytes + kRowBookBytes + c.kv_heads * kHeadBookBytes +
      // Whole numbers: heads' output, or up's activation, before it is rounded, and
      // a scale.
      (int8 ? (std::max(c.query_width(), c.ffn) + 1) * cutting::kFloatBytes : 0);
  ScratchSizes sizes;
  sizes.activations = step_tokens * row + pairs * kFrequencyBytes;
  sizes.logits = logit_rows * (c.width * b + c.vocab * cutting::kFloatBytes + kLogitBookBytes +
                               (int8 ? cutting::kFloatBytes : 0));
  sizes.attention = AttentionScratchBytes(shape);
  sizes.matmul = shape.matmul.scratch_bytes;
  return sizes;
}

MemoryPlan PlanRun(const MemoryShape& shape, int64_t step_tokens, int64_t logit_rows,
                   int64_t blocks) {
  const KvGeometry geometry = shape.config.CacheGeometry(shape.kv_dtype, shape.block_tokens);
  MemoryPlan plan;
  plan.weights = PlanWeights(shape);
  plan.cache.token_bytes = geometry.TokenBytes();
  plan.cache.block_bytes = geometry.BlockBytes();
  plan.cache.blocks = blocks;
  plan.cache.allocated_bytes = Times(blocks, geometry.BlockBytes());
  plan.cache.used_bytes = plan.cache.allocated_bytes;
  plan.scratch = PlanScratch(shape, step_tokens, logit_rows);
  plan.compiled_bytes = shape.matmul.compiled_bytes;
  plan.load_peak_bytes = LoadPeakBytes(shape, plan.weights);
  return plan;
}

MemoryPlan PlanMemory(const MemoryShape& shape, int64_t context, int64_t requests) {
  const KvGeometry geometry = shape.config.CacheGeometry(shape.kv_dtype, shape.block_tokens);
  // No step is longer than all that the requests hold, and a request has one row of logits.
  const int64_t step_tokens = std::min<int64_t>(shape.chunk_tokens, Times(requests, context));
  const int64_t logit_rows = std::min<int64_t>({requests, shape.max_running, step_tokens});
  MemoryPlan plan =
      PlanRun(shape, step_tokens, logit_rows, Times(requests, geometry.BlocksFor(context)));
  plan.cache.used_bytes = Times(Times(requests, context), plan.cache.token_bytes);
  const ModelConfig& c = shape.config;
  if (c.position == PositionKind::kLearned && context > c.context) {
    const int64_t row_bytes = int64_t{c.width} * WeightDtypeBytes(EmbeddingDtype(shape.weights));
    const int64_t more = Times(context - c.context, row_bytes);
    plan.weights.embedding = Plus(plan.weights.embedding, more);
    plan.load_peak_bytes = Plus(plan.load_peak_bytes, more);
  }
  return plan;
}

absl::Status CheckPlan(const MemoryShape& shape, int64_t context, int64_t requests) {
  absl::Status status = shape.config.Validate();
  if (status.ok()) {
    status = shape.config.CacheGeometry(shape.kv_dtype, shape.block_tokens).Validate();
  }
  if (!status.ok()) return status;
  if (context < 0 || requests < 0 || shape.chunk_tokens < 1 || shape.threads < 1) {
    return absl::InvalidArgumentError(
        "context, requests, tokens of a step and threads cannot be negative or none: give at "
        "least 1");
  }
  const MemoryPlan plan = PlanMemory(shape, context, requests);
  if (Fits(plan, kMostBytes)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      requests, " requests of ", context, " tokens need ", plan.cache.blocks,
      " cache blocks, and at most ", std::numeric_limits<BlockId>::max(), " blocks and ",
      kMostBytes,
      " bytes can be named: plan for fewer requests, a smaller context or larger blocks"));
}

int64_t LargestContext(const MemoryShape& shape, int64_t memory_bytes, int64_t requests) {
  // No context has more tokens than there are bytes.
  return LargestThatFits(std::max<int64_t>(0, memory_bytes), [&](int64_t context) {
    return Fits(PlanMemory(shape, context, requests), memory_bytes);
  });
}

int64_t LargestConcurrency(const MemoryShape& shape, int64_t memory_bytes, int64_t context) {
  return LargestThatFits(std::max<int64_t>(0, memory_bytes), [&](int64_t requests) {
    return Fits(PlanMemory(shape, context, requests), memory_bytes);
  });
}

}  // namespace plumbline
