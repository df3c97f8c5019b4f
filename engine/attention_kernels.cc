#include "engine/attention_kernels.h"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/attention_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, which includes this file once more for every target:
#include "engine/simd-inl.h"
#include "hwy/contrib/math/math-inl.h"
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

HWY_INLINE float ExpOne(float x) { return hn::GetLane(hn::Exp(F(), hn::Set(F(), x))); }

// Turns the first `visible` scores of a row into weights exp(score - maximum), in place; writes
// maximum and sum. A partial vector runs the same code; its masked lanes add zero. Returns the
// scores whose exp ran.
int SoftmaxRow(float* HWY_RESTRICT row, int visible, float* maximum_out, float* sum_out) {
  const F f;
  const Vec lowest = hn::Set(f, -std::numeric_limits<float>::infinity());
  Vec maxima = lowest;
  for (int key = 0; key < visible; key += kLanes) {
    const auto mask = hn::FirstN(f, static_cast<size_t>(std::min(kLanes, visible - key)));
    maxima = hn::Max(maxima, hn::IfThenElse(mask, hn::LoadU(f, row + key), lowest));
  }
  const Vec maximum = hn::MaxOfLanes(f, maxima);
  Vec sum = hn::Zero(f);
  int exps = 0;
  for (int key = 0; key < visible; key += kLanes) {
    const int lanes = std::min(kLanes, visible - key);
    exps += lanes;
    const auto mask = hn::FirstN(f, static_cast<size_t>(lanes));
    const Vec score = hn::IfThenElse(mask, hn::LoadU(f, row + key), maximum);
    // hn::Exp makes 0 of NaN, which would hide a fault in what the row sees.
    const Vec exponent = hn::Sub(score, maximum);
    const Vec exp = hn::IfThenElse(hn::IsNaN(exponent), exponent, hn::Exp(f, exponent));
    const Vec weight = hn::IfThenElseZero(mask, exp);
    hn::StoreU(weight, f, row + key);
    sum = hn::Add(sum, weight);
  }
  *maximum_out = hn::GetLane(maximum);
  *sum_out = hn::GetLane(hn::SumOfLanes(f, sum));
  return exps;
}

template <class Loader, int kRows>
void AttendRows(const SegmentView& segment, const QueryRows& tile, float* scratch,
                AttentionCounts* counts, AttentionTicks* ticks) {
  const int head_dim = segment.head_dim;
  const int most = tile.visible[kRows - 1];
  ScoreRows<Loader, kRows>(segment, tile, (most + kKeyGroup - 1) / kKeyGroup, scratch, counts);
  ticks->LapScores();
  for (int r = 0; r < kRows; ++r) {
    float* partial = tile.partials[r];
    std::fill(partial, partial + head_dim, 0.0f);
    counts->softmax_pairs += SoftmaxRow(scratch + r * kSegmentKeys, tile.visible[r],
                                        &partial[head_dim], &partial[head_dim + 1]);
    counts->useful_scores += tile.visible[r];
  }
  ticks->LapSoftmax();
  // Keys that all rows see, together; then each row's own, so that no masked value is read.
  const int common = tile.visible[0];
  ValueRows<Loader, kRows>(segment, tile, 0, scratch, 0, common);
  counts->weighted_values += int64_t{kRows} * common;
  for (int r = 1; r < kRows; ++r) {
    if (tile.visible[r] == common) continue;
    ValueRows<Loader, 1>(segment, tile, r, scratch, common, tile.visible[r]);
    counts->weighted_values += tile.visible[r] - common;
  }
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
  }
}

void Merge(const float* HWY_RESTRICT partial, int head_dim, float* HWY_RESTRICT running) {
  const F f;
  float* maximum = running + head_dim;
  float* sum = running + head_dim + 1;
  if (*sum == 0.0f) {
    std::copy(partial, partial + head_dim + 2, running);
    return;
  }
  const float larger = std::max(*maximum, partial[head_dim]);
  const float keep = ExpOne(*maximum - larger);
  const float add = ExpOne(partial[head_dim] - larger);
  const Vec keep_lanes = hn::Set(f, keep);
  const Vec add_lanes = hn::Set(f, add);
  // Values, and the sum behind them, in whole vectors: the room is rounded up to 16 floats.
  for (int i = 0; i < PartialFloats(head_dim); i += kLanes) {
    const Vec scaled = hn::Mul(hn::LoadU(f, running + i), keep_lanes);
    hn::StoreU(hn::MulAdd(hn::LoadU(f, partial + i), add_lanes, scaled), f, running + i);
  }
  *maximum = larger;
}

void Finish(const float* HWY_RESTRICT running, int head_dim, float* HWY_RESTRICT out) {
  const F f;
  const Vec inverse = hn::Set(f, 1.0f / running[head_dim + 1]);
  int i = 0;
  for (; i + kLanes <= head_dim; i += kLanes) {
    hn::StoreU(hn::Mul(hn::LoadU(f, running + i), inverse), f, out + i);
  }
  if (i == head_dim) return;
  const auto count = static_cast<size_t>(head_dim - i);
  const Vec values = LoadFirstN(f, running + i, count);
  hn::BlendedStore(hn::Mul(values, inverse), hn::FirstN(f, count), f, out + i);
}

const char* TargetName() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace plumbline
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plumbline {

HWY_EXPORT(Attend);
HWY_EXPORT(Merge);
HWY_EXPORT(Finish);
HWY_EXPORT(TargetName);

void AttendSegment(const SegmentView& segment, const QueryRows& tile, float* scratch,
                   AttentionCounts* counts, AttentionTicks* ticks) {
  HWY_DYNAMIC_DISPATCH(Attend)(segment, tile, scratch, counts, ticks);
}

void MergePartial(const float* partial, int head_dim, float* running) {
  HWY_DYNAMIC_DISPATCH(Merge)(partial, head_dim, running);
}

void FinishPartial(const float* running, int head_dim, float* out) {
  HWY_DYNAMIC_DISPATCH(Finish)(running, head_dim, out);
}

const char* AttentionKernelTarget() { return HWY_DYNAMIC_DISPATCH(TargetName)(); }

}  // namespace plumbline
#endif  // HWY_ONCE
