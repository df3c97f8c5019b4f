// Attention's kernels by rows, head size and dtype, and the cache's reads and writes.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cache/kv_store.h"
#include "engine/attention.h"
#include "engine/machine_measure.h"
#include "engine/parallel.h"
#include "engine/step_clock.h"

namespace plumbline {
namespace {

constexpr std::array<KvDtype, 4> kCacheDtypes = {KvDtype::kF32, KvDtype::kF16, KvDtype::kBf16,
                                                 KvDtype::kInt8};
constexpr std::array<int, 2> kHeadDims = {64, 128};
constexpr std::array<int, 6> kAttentionRows = {1, 2, 3, 4, 6, static_cast<int>(kTileRates)};
constexpr std::array<int, 2> kMoreTiledRows = {12, 32};  // where bf16 is multiplied
constexpr int kBlockTokens = 16;
// A whole segment, and two groups of keys: a short one.
constexpr std::array<int, 2> kSegments = {32, kSegmentKeys};
constexpr int kHotKvHeadsPerThread = 2;
constexpr int kStreamKvHeads = 16;
constexpr int kStreamSegments = 8;  // of each whole sequence; a short one has one
constexpr int64_t kAttentionStreamBytes = int64_t{128} << 20;
constexpr int kWriteTokensPerThread = 2;
constexpr double kSampleSeconds = 0.002;

// Attention over a cache of its own, all of it written.
class AttentionRig {
 public:
  // `spans` sequences of `context` keys each, whose last `count` tokens attend.
  static absl::StatusOr<std::shared_ptr<AttentionRig>> Create(const AttentionShape& shape,
                                                              KvDtype dtype, int spans, int context,
                                                              int count) {
    auto rig = std::shared_ptr<AttentionRig>(new AttentionRig(shape));
    KvGeometry geometry;
    geometry.block_tokens = kBlockTokens;
    geometry.groups.push_back({1, shape.kv_heads, shape.head_dim, shape.head_dim, dtype});
    const int blocks_each = static_cast<int>(geometry.BlocksFor(context));
    auto store = KvStore::Create(geometry, spans * blocks_each);
    if (!store.ok()) return store.status();
    rig->store_ = *std::move(store);
    rig->blocks_.resize(spans * blocks_each);
    std::iota(rig->blocks_.begin(), rig->blocks_.end(), 0);
    ParallelFor(shape.threads, static_cast<int64_t>(rig->blocks_.size()), [&](int64_t i) {
      const auto bytes = rig->store_->LayerBlock(0, 0, rig->blocks_[i]);
      // A small positive number in every dtype, and as a scale; a page that was never written would
      // not be read from memory.
      std::memset(bytes.data(), 0x3c, bytes.size());
    });
    const std::vector<int32_t> tokens(count, 0);
    for (int i = 0; i < spans; ++i) {
      rig->batch_.AddSpan(
          tokens, context - count, 0,
          absl::MakeConstSpan(rig->blocks_).subspan(size_t(i) * blocks_each, blocks_each));
    }
    const int64_t width = int64_t{1} * shape.heads * shape.head_dim;
    rig->queries_.assign(rig->batch_.num_tokens() * width, 0.5f);
    rig->out_.resize(rig->queries_.size() * sizeof(float));
    rig->attention_.Prepare(rig->batch_);
    return rig;
  }

  // One pass over all spans.
  void Run() {
    work_.Reset(static_cast<int>(batch_.spans.size()));
    attention_.Run(batch_, *store_, 0, queries_.data(), int64_t{1} * shape_.heads * shape_.head_dim,
                   WeightDtype::kF32, out_.data(), &work_);
    ticks_ += attention_.ticks();
    macs_ += work_.TotalMacs();
    bytes_ += work_.bytes[static_cast<int>(WorkClass::kScores)];
    softmax_pairs_ += work_.softmax_pairs;
  }

  // Runs for some milliseconds from zeroed sums.
  void Sample() {
    ticks_.Reset();
    macs_ = MacCounts();
    bytes_ = softmax_pairs_ = 0;
    const double start = SteadySeconds();
    const int64_t first_tick = ReadTicks();
    do {
      Run();
      seconds_ = SteadySeconds() - start;
    } while (seconds_ < kSampleSeconds);
    seconds_per_tick_ = seconds_ / static_cast<double>(ReadTicks() - first_tick);
  }

  // Of one thread: score MACs, value MACs and softmax pairs.
  void ThreadRates(absl::Span<double> rates) {
    Sample();
    const auto executed = [&](WorkClass c) {
      return static_cast<double>(macs_.executed[static_cast<int>(c)]);
    };
    rates[0] = executed(WorkClass::kScores) / Seconds(ticks_.scores());
    rates[1] = executed(WorkClass::kWeightedValues) / Seconds(ticks_.values());
    rates[2] = static_cast<double>(softmax_pairs_) / Seconds(ticks_.softmax());
  }

  // Of all threads: bytes of keys in the time of scores and in that of the softmax, of values in
  // that of weighted values.
  void ByteRates(absl::Span<double> rates) {
    Sample();
    const auto all = static_cast<double>(ticks_.scores() + ticks_.softmax() + ticks_.values());
    const auto rate = [&](int64_t ticks) {
      return static_cast<double>(bytes_) * all / std::max<double>(1, static_cast<double>(ticks)) /
             seconds_;
    };
    rates[0] = rate(ticks_.scores());
    rates[1] = rate(ticks_.softmax());
    rates[2] = rate(ticks_.values());
  }

  // Elements of keys and values that one thread writes per second, `tokens` at a time; `apart`
  // tokens lie between them, and each round goes on behind the last.
  double WriteRate(int threads, int tokens, int apart) {
    const int64_t all_tokens = int64_t{1} * blocks_.size() * kBlockTokens;
    const int64_t width = int64_t{1} * shape_.kv_heads * shape_.head_dim;
    const double elements = 2.0 * static_cast<double>(width) * tokens / threads;
    return PerSecond(elements, [&] {
      ParallelFor(threads, tokens, [&](int64_t i) {
        const int64_t position = (cursor_ + i * std::max(apart, kBlockTokens)) % all_tokens;
        attention_.Write({*store_, 0, blocks_, static_cast<int>(position)}, queries_.data(),
                         queries_.data());
      });
      cursor_ += int64_t{1} * apart * tokens;
    });
  }

 private:
  explicit AttentionRig(const AttentionShape& shape) : shape_(shape), attention_(shape) {}
  double Seconds(int64_t ticks) const {
    return std::max<double>(1, static_cast<double>(ticks)) * seconds_per_tick_;
  }

  AttentionShape shape_;
  PagedAttention attention_;
  std::unique_ptr<KvStore> store_;
  std::vector<BlockId> blocks_;
  StepBatch batch_;
  std::vector<float> queries_;
  std::vector<std::byte> out_;
  StepWork work_;
  int64_t cursor_ = 0;
  // Of one sample.
  AttentionTicks ticks_;
  MacCounts macs_;
  int64_t bytes_ = 0;
  int64_t softmax_pairs_ = 0;
  double seconds_ = 0;
  double seconds_per_tick_ = 0;
};

absl::Status AddKernel(int threads, AttentionRates* rates, std::vector<Measurement>* measurements) {
  const int kv_heads = kHotKvHeadsPerThread * threads;
  // The heads of one token. But a whole tile: six heads of 16 tokens.
  const bool tile = rates->rows == kTileRates;
  const int group = tile ? kMicroTileRows : static_cast<int>(rates->rows);
  const int count = tile ? static_cast<int>(kTileRates) / kMicroTileRows : 1;
  const AttentionShape shape = {group * kv_heads, kv_heads, static_cast<int>(rates->head_dim),
                                threads, AttentionFormFor(rates->dtype, rates->head_dim)};
  auto rig = AttentionRig::Create(shape, rates->dtype, 1, static_cast<int>(rates->keys), count);
  if (!rig.ok()) return rig.status();
  measurements->push_back({{&rates->score_macs, &rates->value_macs, &rates->softmax_pairs},
                           [rig = *std::move(rig)](absl::Span<double> out) {
                             rig->ThreadRates(out);
                             return absl::OkStatus();
                           }});
  return absl::OkStatus();
}

// Sequences of `context` keys that together are far larger than every cache.
absl::StatusOr<std::shared_ptr<AttentionRig>> StreamRig(int threads, KvDtype dtype, int context) {
  const AttentionShape shape = {kStreamKvHeads, kStreamKvHeads, kHeadDims[0], threads,
                                AttentionFormFor(dtype, kHeadDims[0])};
  const int64_t span_bytes =
      int64_t{2} * kStreamKvHeads * context * KvRowBytes(dtype, kHeadDims[0]);
  const auto spans = static_cast<int>((kAttentionStreamBytes + span_bytes - 1) / span_bytes);
  return AttentionRig::Create(shape, dtype, spans, context, 1);
}

using SharedRig = std::shared_ptr<AttentionRig>;

void AddStream(const SharedRig& rig, StreamRates* rates, std::vector<Measurement>* measurements) {
  measurements->push_back({{&rates->score_bytes, &rates->softmax_bytes, &rates->value_bytes},
                           [rig](absl::Span<double> out) {
                             rig->ByteRates(out);
                             return absl::OkStatus();
                           }});
}

void AddWrites(int threads, const SharedRig& rig, CacheRates* rates,
               std::vector<Measurement>* measurements) {
  const int tokens = kWriteTokensPerThread * threads;
  // Cold: a step far from any other, and odd in blocks, so that all slots have their turn.
  constexpr int kApart = 37 * kBlockTokens + 1;
  measurements->push_back({{&rates->hot_write_elements, &rates->cold_write_elements},
                           [rig, threads, tokens](absl::Span<double> out) {
                             out[0] = rig->WriteRate(threads, tokens, 0);
                             out[1] = rig->WriteRate(threads, tokens, kApart);
                             return absl::OkStatus();
                           }});
}

}  // namespace

absl::Status AddAttentionMeasurements(int threads, MachineProfile* profile,
                                      std::vector<Measurement>* measurements) {
  for (const KvDtype dtype : kCacheDtypes) {
    for (const int head_dim : kHeadDims) {
      std::vector<int> row_counts(kAttentionRows.begin(), kAttentionRows.end());
      if (MultipliesBf16(AttentionFormFor(dtype, head_dim))) {
        row_counts.insert(row_counts.end() - 1, kMoreTiledRows.begin(), kMoreTiledRows.end());
      }
      for (const int rows : row_counts) {
        for (const int keys : kSegments) {
          profile->attention.push_back({dtype, head_dim, rows, keys, {}, {}, {}});
        }
      }
    }
    for (const int keys : kSegments) profile->streams.push_back({dtype, keys, {}, {}, {}});
    profile->caches.push_back({dtype, {}, {}});
  }
  for (AttentionRates& rates : profile->attention) {
    absl::Status status = AddKernel(threads, &rates, measurements);
    if (!status.ok()) return status;
  }
  for (StreamRates& rates : profile->streams) {
    const auto keys = static_cast<int>(rates.keys);
    const bool whole = keys == kSegmentKeys;
    const auto rig = StreamRig(threads, rates.dtype, whole ? kStreamSegments * keys : keys);
    if (!rig.ok()) return rig.status();
    AddStream(*rig, &rates, measurements);
    if (!whole) continue;
    AddWrites(threads, *rig,
              &*std::find_if(profile->caches.begin(), profile->caches.end(),
                             [&](const CacheRates& c) { return c.dtype == rates.dtype; }),
              measurements);
  }
  return absl::OkStatus();
}

}  // namespace plumbline
