#include "engine/score_passes.h"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/score_passes.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, which includes this file once more for every target:
#include "engine/simd-inl.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace plumbline {
namespace HWY_NAMESPACE {

HWY_INLINE size_t LanesAt(int i, int count) {
  return static_cast<size_t>(std::min(kLanes, count - i));
}

HWY_INLINE void StoreFirstN(Vec value, size_t n, float* p) {
  hn::BlendedStore(value, hn::FirstN(F(), n), F(), p);
}

void ScaleScoresImpl(int count, float scale, float* row) {
  const Vec factor = hn::Set(F(), scale);
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    hn::StoreU(hn::Mul(hn::LoadU(F(), row + i), factor), F(), row + i);
  }
  if (i == count) return;
  const size_t n = LanesAt(i, count);
  StoreFirstN(hn::Mul(LoadFirstN(F(), row + i, n), factor), n, row + i);
}

// Scales (kScaled) and softens the first `count` scores.
template <bool kScaled>
HWY_INLINE void SoftmaxLoops(int count, float scale, float* HWY_RESTRICT row) {
  const F f;
  const Vec factor = hn::Set(f, scale);
  const Vec lowest = hn::Set(f, -std::numeric_limits<float>::infinity());
  Vec maxima = lowest;
  for (int i = 0; i < count; i += kLanes) {
    const size_t n = LanesAt(i, count);
    Vec score = LoadFirstN(f, row + i, n);
    if constexpr (kScaled) {
      score = hn::Mul(score, factor);
      StoreFirstN(score, n, row + i);
    }
    maxima = hn::Max(maxima, hn::IfThenElse(hn::FirstN(f, n), score, lowest));
  }
  const Vec maximum = hn::MaxOfLanes(f, maxima);
  Vec sum = hn::Zero(f);
  for (int i = 0; i < count; i += kLanes) {
    const size_t n = LanesAt(i, count);
    // hn::Exp makes 0 of NaN, which would hide a fault in what the row sees.
    const Vec exponent = hn::Sub(LoadFirstN(f, row + i, n), maximum);
    const Vec exp = hn::IfThenElse(hn::IsNaN(exponent), exponent, hn::Exp(f, exponent));
    const Vec weight = hn::IfThenElseZero(hn::FirstN(f, n), exp);
    StoreFirstN(weight, n, row + i);
    sum = hn::Add(sum, weight);
  }
  ScaleScoresImpl(count, 1.0F / hn::GetLane(hn::SumOfLanes(f, sum)), row);
}

void ScaledSoftmaxImpl(int visible, float scale, float* row) {
  SoftmaxLoops<true>(visible, scale, row);
}

void SoftmaxImpl(int count, float* row) { SoftmaxLoops<false>(count, 1.0F, row); }

// kVectors vectors of channels: as many sums run side by side, to hide the latency of each.
template <int kVectors>
HWY_INLINE void AddColumns(int keys, const float* HWY_RESTRICT weights,
                           const float* HWY_RESTRICT values, int64_t stride,
                           float* HWY_RESTRICT out) {
  Vec sum[kVectors];
  for (int v = 0; v < kVectors; ++v) sum[v] = hn::LoadU(F(), out + v * kLanes);
  for (int key = 0; key < keys; ++key, values += stride) {
    const Vec weight = hn::Set(F(), weights[key]);
    for (int v = 0; v < kVectors; ++v) {
      sum[v] = hn::MulAdd(weight, hn::LoadU(F(), values + v * kLanes), sum[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[v], F(), out + v * kLanes);
}

void AddWeightedValuesImpl(int keys, const float* weights, const float* values, int64_t stride,
                           int head_dim, float* out) {
  constexpr int kWide = 4;
  int column = 0;
  for (; column + kWide * kLanes <= head_dim; column += kWide * kLanes) {
    AddColumns<kWide>(keys, weights, values + column, stride, out + column);
  }
  for (; column + kLanes <= head_dim; column += kLanes) {
    AddColumns<1>(keys, weights, values + column, stride, out + column);
  }
  if (column == head_dim) return;
  const size_t n = LanesAt(column, head_dim);
  Vec sum = LoadFirstN(F(), out + column, n);
  for (int key = 0; key < keys; ++key) {
    sum = hn::MulAdd(hn::Set(F(), weights[key]), LoadFirstN(F(), values + key * stride + column, n),
                     sum);
  }
  StoreFirstN(sum, n, out + column);
}

}  // namespace HWY_NAMESPACE
}  // namespace plumbline
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plumbline {

HWY_EXPORT(ScaledSoftmaxImpl);
HWY_EXPORT(ScaleScoresImpl);
HWY_EXPORT(SoftmaxImpl);
HWY_EXPORT(AddWeightedValuesImpl);

void ScaledSoftmax(int visible, float scale, float* row) {
  HWY_DYNAMIC_DISPATCH(ScaledSoftmaxImpl)(visible, scale, row);
}

void ScaleScores(int count, float scale, float* row) {
  HWY_DYNAMIC_DISPATCH(ScaleScoresImpl)(count, scale, row);
}

void MaskScores(int visible, int count, float* row) {
  std::fill(row + visible, row + std::max(visible, count), -std::numeric_limits<float>::infinity());
}

void Softmax(int count, float* row) { HWY_DYNAMIC_DISPATCH(SoftmaxImpl)(count, row); }

void AddWeightedValues(int keys, const float* weights, const float* values, int64_t stride,
                       int head_dim, float* out) {
  HWY_DYNAMIC_DISPATCH(AddWeightedValuesImpl)(keys, weights, values, stride, head_dim, out);
}

}  // namespace plumbline
#endif  // HWY_ONCE
