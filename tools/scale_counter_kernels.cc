// The counter-examples that run one layer's kernels, without a model's weights.
#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cache/kv_store.h"
#include "engine/attention.h"
#include "engine/counter_cost.h"
#include "engine/machine.h"
#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/stored_attention.h"
#include "engine/tensor_source.h"
#include "tools/scale_counter.h"

namespace plumbline {
namespace {

// What the functions below share: one layer of the model's shape.
struct Layer {
  ModelConfig config;
  CostShape shape;
  AttentionShape attention;
};

absl::StatusOr<Layer> OpenLayer(const CounterOptions& options, absl::Span<const int64_t> lengths) {
  const auto source = OpenModel(options.model);
  if (!source.ok()) return source.status();
  Layer layer;
  layer.config = (*source)->config();
  layer.shape =
      CostShape::From(layer.config, options.weights, options.kv_dtype, options.block_tokens);
  layer.shape.L = 1;
  layer.attention = {layer.config.heads, layer.config.kv_heads, layer.config.head_dim,
                     UsableThreads(options.threads), layer.shape.attention};
  for (const int64_t n : lengths) {
    if (n >= 1 && n <= std::numeric_limits<int>::max() / layer.config.width) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("a length of ", n, " tokens cannot be measured: name one from 1 on"));
  }
  return layer;
}

ScalePoint KernelPoint(const CounterOptions& options, const Layer& layer, ScaleSweep sweep,
                       int64_t n) {
  ScalePoint point;
  point.sweep = sweep;
  point.model = options.model;
  point.shape = layer.shape;
  point.tokens = n;
  point.chunk = n;
  return point;
}

std::vector<float> RandomFloats(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  std::vector<float> values(static_cast<size_t>(count));
  std::generate(values.begin(), values.end(), [&] { return uniform(random); });
  return values;
}

ScaleSample SampleOf(double seconds, const StepWork& work) {
  ScaleSample sample;
  sample.seconds = seconds;
  sample.class_seconds = work.seconds;
  sample.macs = work.TotalMacs();
  sample.bytes = work.bytes;
  sample.softmax_pairs = work.softmax_pairs;
  return sample;
}

// One prompt's operands of attention.
struct Prompt {
  Prompt(const AttentionShape& shape, int64_t n, uint64_t seed)
      : queries(RandomFloats(n * shape.heads * shape.head_dim, seed)),
        keys(RandomFloats(n * shape.kv_heads * shape.head_dim, seed + 1)),
        values(RandomFloats(n * shape.kv_heads * shape.head_dim, seed + 2)),
        out(queries.size()) {}
  std::vector<float> queries;
  std::vector<float> keys;
  std::vector<float> values;
  std::vector<float> out;
};

CounterPass StoredPass(const Layer& layer, ScalePoint point, ScoreMask mask, Prompt& prompt,
                       StoredAttention& stored) {
  CounterPass pass;
  point.peak_score_bytes = stored.score_bytes();
  pass.run = [&layer, &prompt, &stored, n = point.tokens, mask]() -> absl::StatusOr<ScaleSample> {
    StepWork work;
    work.Reset(1);
    absl::Status status;
    const double seconds = TimeSeconds([&] {
      status = stored.Run(prompt.queries.data(), prompt.keys.data(), prompt.values.data(), mask,
                          prompt.out.data(), &work);
    });
    if (!status.ok()) return status;
    ScaleSample sample = SampleOf(seconds, work);
    sample.formula_macs = StoredAttentionMacs(layer.shape, n, mask);
    sample.formula_bytes = StoredAttentionBytes(layer.shape, n, mask);
    sample.formula_softmax_pairs = LayerPairs(layer.shape, n, mask);
    return sample;
  };
  pass.point = std::move(point);
  return pass;
}

// The same prompt in a paged cache of one layer.
class TiledPrompt {
 public:
  static absl::StatusOr<std::unique_ptr<TiledPrompt>> Create(const CounterOptions& options,
                                                             const Layer& layer,
                                                             const Prompt& prompt, int n) {
    KvGeometry geometry;
    geometry.block_tokens = options.block_tokens;
    const AttentionShape& shape = layer.attention;
    geometry.groups.push_back(
        {1, shape.kv_heads, shape.head_dim, shape.head_dim, options.kv_dtype});
    if (absl::Status status = geometry.Validate(); !status.ok()) return status;
    auto store = KvStore::Create(geometry, static_cast<int>(geometry.BlocksFor(n)));
    if (!store.ok()) return store.status();
    return std::unique_ptr<TiledPrompt>(new TiledPrompt(shape, prompt, n, *std::move(store)));
  }

  void Run(const Prompt& prompt, float* out, StepWork* work) {
    attention_.Prepare(batch_);
    attention_.Run(batch_, *store_, 0, prompt.queries.data(),
                   int64_t{1} * shape_.heads * shape_.head_dim, WeightDtype::kF32,
                   reinterpret_cast<std::byte*>(out), work);
  }
  int64_t scratch_bytes() const { return attention_.scratch_bytes(); }
  int64_t cache_bytes() const { return store_->allocated_bytes(); }

 private:
  TiledPrompt(const AttentionShape& shape, const Prompt& prompt, int n,
              std::unique_ptr<KvStore> store)
      : shape_(shape), store_(std::move(store)), attention_(shape) {
    std::vector<BlockId> table(static_cast<size_t>(store_->num_blocks()));
    for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<BlockId>(i);
    batch_.AddSpan(std::vector<int32_t>(static_cast<size_t>(n), 0), 0, 0, table);
    const int64_t width = int64_t{1} * shape.kv_heads * shape.head_dim;
    for (int position = 0; position < n; ++position) {
      attention_.Write({*store_, 0, table, position}, prompt.keys.data() + position * width,
                       prompt.values.data() + position * width);
    }
    attention_.Prepare(batch_);
  }

  AttentionShape shape_;
  std::unique_ptr<KvStore> store_;
  PagedAttention attention_;
  StepBatch batch_;
};

CounterPass TiledPass(const Layer& layer, ScalePoint point, Prompt& prompt, TiledPrompt& tiled) {
  CounterPass pass;
  point.peak_score_bytes = tiled.scratch_bytes();
  point.cache_bytes = tiled.cache_bytes();
  pass.run = [&layer, &prompt, &tiled, n = point.tokens]() -> absl::StatusOr<ScaleSample> {
    StepWork work;
    work.Reset(1);
    const double seconds = TimeSeconds([&] { tiled.Run(prompt, prompt.out.data(), &work); });
    ScaleSample sample = SampleOf(seconds, work);
    sample.formula_macs = TiledAttentionMacs(layer.shape, n);
    sample.formula_bytes = TiledAttentionBytes(layer.shape, n);
    sample.formula_softmax_pairs = LayerPairs(layer.shape, n, ScoreMask::kCausal);
    return sample;
  };
  pass.point = std::move(point);
  return pass;
}

absl::Status MeasureAttentionAt(const CounterOptions& options, const Layer& layer, int n,
                                StoredAttention& stored, ScaleData* data) {
  Prompt prompt(layer.attention, n, options.seed);
  const auto tiled = TiledPrompt::Create(options, layer, prompt, n);
  if (!tiled.ok()) return tiled.status();
  const auto point = [&](ScaleSweep sweep) { return KernelPoint(options, layer, sweep, n); };
  return RunPasses(
      options,
      {StoredPass(layer, point(ScaleSweep::kStoredFull), ScoreMask::kNone, prompt, stored),
       StoredPass(layer, point(ScaleSweep::kStoredCausal), ScoreMask::kCausal, prompt, stored),
       TiledPass(layer, point(ScaleSweep::kTiled), prompt, **tiled)},
      data);
}

CounterPass SoftmaxPass(const Layer& layer, ScalePoint point, const Prompt& prompt,
                        StoredAttention& stored) {
  CounterPass pass;
  const bool fused = point.sweep == ScaleSweep::kFusedSoftmax;
  point.peak_score_bytes = stored.score_bytes();
  pass.run = [&layer, &prompt, &stored, fused, n = point.tokens]() -> absl::StatusOr<ScaleSample> {
    absl::Status status =
        stored.ComputeScores(prompt.queries.data(), prompt.keys.data(), ScoreMask::kNone, nullptr);
    if (!status.ok()) return status;
    StepWork work;
    work.Reset(1);
    const double seconds = TimeSeconds([&] {
      fused ? stored.SoftmaxFused(ScoreMask::kCausal, &work)
            : stored.SoftmaxInPasses(ScoreMask::kCausal, &work);
    });
    ScaleSample sample = SampleOf(seconds, work);
    sample.formula_bytes[static_cast<size_t>(WorkClass::kSoftmax)] =
        fused ? FusedSoftmaxBytes(layer.shape, n, ScoreMask::kCausal)
              : UnfusedSoftmaxBytes(layer.shape, n, ScoreMask::kCausal);
    // In passes the softmax of a row looks at its masked scores as well.
    sample.formula_softmax_pairs =
        LayerPairs(layer.shape, n, fused ? ScoreMask::kCausal : ScoreMask::kNone);
    return sample;
  };
  pass.point = std::move(point);
  return pass;
}

// Calls fn(n, stored) for every length whose scores fit free memory.
template <class Fn>
absl::Status ForLengthsThatFit(const Layer& layer, absl::Span<const int64_t> lengths,
                               ScaleSweep sweep, std::vector<CounterLeftOut>* left_out,
                               const Fn& fn) {
  for (const int64_t n : lengths) {
    const auto stored = StoredAttention::Create(layer.attention, static_cast<int>(n),
                                                DetectMachine().free_memory_bytes);
    if (absl::IsResourceExhausted(stored.status())) {
      left_out->push_back({sweep, n, std::string(stored.status().message())});
      continue;
    }
    if (!stored.ok()) return stored.status();
    if (absl::Status status = fn(static_cast<int>(n), **stored); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MeasureAttention(const CounterOptions& options, absl::Span<const int64_t> lengths,
                              ScaleData* data, std::vector<CounterLeftOut>* left_out) {
  const absl::StatusOr<Layer> layer = OpenLayer(options, lengths);
  if (!layer.ok()) return layer.status();
  return ForLengthsThatFit(*layer, lengths, ScaleSweep::kStoredFull, left_out,
                           [&](int n, StoredAttention& stored) {
                             return MeasureAttentionAt(options, *layer, n, stored, data);
                           });
}

absl::Status MeasureSoftmaxFusion(const CounterOptions& options, absl::Span<const int64_t> lengths,
                                  ScaleData* data, std::vector<CounterLeftOut>* left_out) {
  const absl::StatusOr<Layer> layer = OpenLayer(options, lengths);
  if (!layer.ok()) return layer.status();
  return ForLengthsThatFit(
      *layer, lengths, ScaleSweep::kUnfusedSoftmax, left_out, [&](int n, StoredAttention& stored) {
        const Prompt prompt(layer->attention, n, options.seed);
        std::vector<CounterPass> passes;
        for (const ScaleSweep sweep : {ScaleSweep::kFusedSoftmax, ScaleSweep::kUnfusedSoftmax}) {
          passes.push_back(
              SoftmaxPass(*layer, KernelPoint(options, *layer, sweep, n), prompt, stored));
        }
        return RunPasses(options, passes, data);
      });
}

}  // namespace plumbline
