#include "engine/attention_kernels.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/attention_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, which includes this file once more for every target:
#include "engine/simd-inl.h"
#include "engine/softmax_row-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace plumbline {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int kGroupVectors = kKeyGroup / kLanes;
// Vectors of a micro-tile's width: with kMicroTileRows accumulators each they fill the registers.
constexpr int kTileVectors = kLanes >= kKeyGroup ? 4 : (HWY_TARGET == HWY_NEON ? 4 : 2);
constexpr int kTileGroups = HWY_MAX(1, kTileVectors / kGroupVectors);

// Scores of kRows queries against kGroups key groups: out[r][key], scaled.
template <class Loader, int kRows, int kGroups>
HWY_NOINLINE void ScoreGroups(const SegmentView& segment, const QueryRows& tile, int first_row,
                              int group, float* HWY_RESTRICT out) {
  using T = typename Loader::T;
  constexpr int kVectors = kGroups * kGroupVectors;
  Vec sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(F());
  }
  const T* keys[kGroups];
  for (int i = 0; i < kGroups; ++i) keys[i] = reinterpret_cast<const T*>(segment.keys[group + i]);
  const float* const* queries = tile.queries.data() + first_row;
  for (int d = 0; d < segment.head_dim; ++d) {
    Vec key[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      key[v] = Loader::Load(keys[v / kGroupVectors] + static_cast<ptrdiff_t>(d) * kKeyGroup +
                            (v % kGroupVectors) * kLanes);
    }
    for (int r = 0; r < kRows; ++r) {
      const Vec query = hn::Set(F(), queries[r][d]);
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(query, key[v], sum[r][v]);
    }
  }
  const Vec scale = hn::Set(F(), tile.scale);
  for (int r = 0; r < kRows; ++r) {
    float* row = out + (first_row + r) * kSegmentKeys + group * kKeyGroup;
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(hn::Mul(sum[r][v], scale), F(), row + v * kLanes);
    }
  }
}

// Adds weights[r][key] * V[key] over keys [begin, end), in order, to the rows' values.
template <class Loader, int kRows, int kVectors>
HWY_NOINLINE void AddValues(const SegmentView& segment, const QueryRows& tile, int first_row,
                            const float* HWY_RESTRICT weights, int begin, int end, int column) {
  using T = typename Loader::T;
  float* const* partials = tile.partials.data() + first_row;
  Vec sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = hn::LoadU(F(), partials[r] + column + v * kLanes);
    }
  }
  const float* row_weights = weights + first_row * kSegmentKeys;
  for (int key = begin; key < end;) {
    const int stop = std::min(end, (key / kKeyGroup + 1) * kKeyGroup);
    const T* value = reinterpret_cast<const T*>(segment.values[key / kKeyGroup]) +
                     static_cast<ptrdiff_t>(key % kKeyGroup) * segment.head_dim + column;
    for (; key < stop; ++key, value += segment.head_dim) {
      Vec element[kVectors];
      for (int v = 0; v < kVectors; ++v) element[v] = Loader::Load(value + v * kLanes);
      for (int r = 0; r < kRows; ++r) {
        const Vec weight = hn::Set(F(), row_weights[r * kSegmentKeys + key]);
        for (int v = 0; v < kVectors; ++v) {
          sum[r][v] = hn::MulAdd(weight, element[v], sum[r][v]);
        }
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(sum[r][v], F(), partials[r] + column + v * kLanes);
    }
  }
}

// The last columns of a head whose size is no multiple of the vector: the same sums under a mask.
template <class Loader>
HWY_NOINLINE void AddValuesTail(const SegmentView& segment, const QueryRows& tile, int row,
                                const float* HWY_RESTRICT weights, int begin, int end, int column) {
  using T = typename Loader::T;
  const size_t count = static_cast<size_t>(segment.head_dim - column);
  float* out = tile.partials[row] + column;
  Vec sum = LoadFirstN(F(), out, count);
  for (int key = begin; key < end; ++key) {
    const T* value = reinterpret_cast<const T*>(segment.values[key / kKeyGroup]) +
                     static_cast<ptrdiff_t>(key % kKeyGroup) * segment.head_dim + column;
    sum = hn::MulAdd(hn::Set(F(), weights[row * kSegmentKeys + key]),
                     Loader::LoadFirst(value, count), sum);
  }
  hn::BlendedStore(sum, hn::FirstN(F(), count), F(), out);
}

template <class Loader, int kRows>
void ValueRows(const SegmentView& segment, const QueryRows& tile, int first_row,
               const float* weights, int begin, int end) {
  const int head_dim = segment.head_dim;
  int column = 0;
  for (; column + kTileVectors * kLanes <= head_dim; column += kTileVectors * kLanes) {
    AddValues<Loader, kRows, kTileVectors>(segment, tile, first_row, weights, begin, end, column);
  }
  for (; column + kLanes <= head_dim; column += kLanes) {
    AddValues<Loader, kRows, 1>(segment, tile, first_row, weights, begin, end, column);
  }
  if (column == head_dim) return;
  for (int r = 0; r < kRows; ++r) {
    AddValuesTail<Loader>(segment, tile, first_row + r, weights, begin, end, column);
  }
}

template <class Loader, int kRows>
void ScoreRows(const SegmentView& segment, const QueryRows& tile, int groups, float* scores,
               AttentionCounts* counts) {
  int group = 0;
  for (; group + kTileGroups <= groups; group += kTileGroups) {
    ScoreGroups<Loader, kRows, kTileGroups>(segment, tile, 0, group, scores);
    counts->executed_scores += int64_t{kRows} * kTileGroups * kKeyGroup;
  }
  for (; group < groups; ++group) {
    ScoreGroups<Loader, kRows, 1>(segment, tile, 0, group, scores);
    counts->executed_scores += int64_t{kRows} * kKeyGroup;
  }
}

// row[key] *= scales[key], for whole groups from key 0 up to `keys`.
void ScaleRow(const float* HWY_RESTRICT scales, int keys, float* HWY_RESTRICT row) {
  for (int key = 0; key < keys; key += kLanes) {
    const Vec scaled = hn::Mul(hn::LoadU(F(), row + key), hn::LoadU(F(), scales + key));
    hn::StoreU(scaled, F(), row + key);
  }
}

template <class Loader, int kRows>
void AttendRows(const SegmentView& segment, const QueryRows& tile, float* scratch,
                AttentionCounts* counts, AttentionTicks* ticks) {
  const int head_dim = segment.head_dim;
  const int most = tile.visible[kRows - 1];
  ScoreRows<Loader, kRows>(segment, tile, (most + kKeyGroup - 1) / kKeyGroup, scratch, counts);
  for (int r = 0; segment.scaled && r < kRows; ++r) {
    ScaleRow(segment.key_scales.data(), tile.visible[r], scratch + r * kSegmentKeys);
  }
  ticks->LapScores();
  for (int r = 0; r < kRows; ++r) {
    float* partial = tile.partials[r];
    std::fill(partial, partial + head_dim, 0.0f);
    counts->softmax_pairs += SoftmaxRow(scratch + r * kSegmentKeys, tile.visible[r],
                                        &partial[head_dim], &partial[head_dim + 1]);
    counts->useful_scores += tile.visible[r];
  }
  ticks->LapSoftmax();
  for (int r = 0; segment.scaled && r < kRows; ++r) {
    ScaleRow(segment.value_scales.data(), tile.visible[r], scratch + r * kSegmentKeys);
  }
  // Keys that all rows see, together; then each row's own, so that no masked value is read.
  const int common = tile.visible[0];
  ValueRows<Loader, kRows>(segment, tile, 0, scratch, 0, common);
  int64_t pairs = int64_t{kRows} * common;
  for (int r = 1; r < kRows; ++r) {
    if (tile.visible[r] == common) continue;
    ValueRows<Loader, 1>(segment, tile, r, scratch, common, tile.visible[r]);
    pairs += tile.visible[r] - common;
  }
  counts->weighted_values += pairs;
  counts->executed_values += pairs;
}

template <class Loader>
void AttendWith(const SegmentView& segment, const QueryRows& tile, float* scratch,
                AttentionCounts* counts, AttentionTicks* ticks) {
  switch (tile.rows) {
    case 1:
      return AttendRows<Loader, 1>(segment, tile, scratch, counts, ticks);
    case 2:
      return AttendRows<Loader, 2>(segment, tile, scratch, counts, ticks);
    case 3:
      return AttendRows<Loader, 3>(segment, tile, scratch, counts, ticks);
    case 4:
      return AttendRows<Loader, 4>(segment, tile, scratch, counts, ticks);
    case 5:
      return AttendRows<Loader, 5>(segment, tile, scratch, counts, ticks);
    default:
      return AttendRows<Loader, 6>(segment, tile, scratch, counts, ticks);
  }
}

void Attend(const SegmentView& segment, const QueryRows& tile, float* scratch,
            AttentionCounts* counts, AttentionTicks* ticks) {
  switch (segment.dtype) {
    case KvDtype::kF32:
      return AttendWith<LoadF32>(segment, tile, scratch, counts, ticks);
    case KvDtype::kF16:
      return AttendWith<LoadF16>(segment, tile, scratch, counts, ticks);
    case KvDtype::kBf16:
      return AttendWith<LoadBf16>(segment, tile, scratch, counts, ticks);
    case KvDtype::kInt8:
      return AttendWith<LoadInt8>(segment, tile, scratch, counts, ticks);
  }
}

const char* TargetName() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace plumbline
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plumbline {

HWY_EXPORT(Attend);
HWY_EXPORT(TargetName);

void AttendSegment(const SegmentView& segment, const QueryRows& tile, float* scratch,
                   AttentionCounts* counts, AttentionTicks* ticks) {
  HWY_DYNAMIC_DISPATCH(Attend)(segment, tile, scratch, counts, ticks);
}

const char* AttentionKernelTarget() { return HWY_DYNAMIC_DISPATCH(TargetName)(); }

}  // namespace plumbline
#endif  // HWY_ONCE
