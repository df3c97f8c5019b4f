// The choice of 4-bit weights: see q4_rows.h.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/int8_rows.h"
#include "engine/q4_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/q4_quantize.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, which includes this file once more for every target:
#include "engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace plumbline {
namespace HWY_NAMESPACE {

constexpr int kTriedScales = 1;  // so many s to each side of the two that hold a block's extreme

// A block in units of the row's scale. x: [32]
struct BlockGrid {
  explicit BlockGrid(int scale)
      : unit(static_cast<float>(scale)), inverse(scale == 0 ? 0.0F : 1.0F / unit) {
    const int magnitude = scale < 0 ? -scale : scale;
    const int most = magnitude == 0 ? 0 : kInt8Most / magnitude;
    high = static_cast<float>(HWY_MIN(kQ4Most, most));
    low = static_cast<float>(HWY_MAX(kQ4Least, -most));
  }
  // The nearest q.
  HWY_INLINE Vec Nearest(Vec x) const {
    const F f;
    const Vec q = hn::Round(hn::Mul(x, hn::Set(f, inverse)));
    return hn::Min(hn::Max(q, hn::Set(f, low)), hn::Set(f, high));
  }

  float unit, inverse, low, high;
};

// The square error of the nearest q for every x.
HWY_INLINE float BlockError(const float* x, int scale) {
  const F f;
  const BlockGrid grid(scale);
  Vec error = hn::Zero(f);
  for (int i = 0; i < kQ4BlockInputs; i += kLanes) {
    const Vec value = hn::LoadU(f, x + i);
    const Vec lost = hn::NegMulAdd(grid.Nearest(value), hn::Set(f, grid.unit), value);
    error = hn::MulAdd(lost, lost, error);
  }
  return hn::GetLane(hn::SumOfLanes(f, error));
}

HWY_INLINE float ExtremeOf(const float* x) {
  const F f;
  Vec high = hn::LoadU(f, x);
  Vec low = high;
  for (int i = kLanes; i < kQ4BlockInputs; i += kLanes) {
    high = hn::Max(high, hn::LoadU(f, x + i));
    low = hn::Min(low, hn::LoadU(f, x + i));
  }
  const float most = hn::GetLane(hn::MaxOfLanes(f, high));
  const float least = hn::GetLane(hn::MinOfLanes(f, low));
  return most >= -least ? most : least;
}

// The best of the s that put the extreme near -8 or near 7, and its error.
HWY_INLINE int BestScale(const float* x, float* least_error) {
  const float extreme = ExtremeOf(x);
  int best = 0;
  *least_error = BlockError(x, 0);
  for (const int end : {kQ4Least, kQ4Most}) {
    const auto near = static_cast<int>(std::nearbyint(extreme / static_cast<float>(end)));
    for (int scale = near - kTriedScales; scale <= near + kTriedScales; ++scale) {
      if (scale == 0 || scale < -kQ4MostScale || scale > kQ4MostScale) continue;
      const float error = BlockError(x, scale);
      if (error < *least_error) {
        *least_error = error;
        best = scale;
      }
    }
  }
  return best;
}

// Block b of the row in units of 1 / factor, zeros behind its end. x: [32]
HWY_INLINE void LoadBlock(const float* w, int64_t width, int64_t b, float factor, float* x) {
  const int64_t first = b * kQ4BlockInputs;
  const auto count = static_cast<int>(HWY_MIN(width - first, int64_t{kQ4BlockInputs}));
  for (int i = 0; i < kQ4BlockInputs; ++i) x[i] = i < count ? w[first + i] * factor : 0.0F;
}

// scales: [blocks]. Returns the square error of the row, in units of 1 / factor.
double ChooseScales(const float* w, int64_t width, float factor, int8_t* scales) {
  HWY_ALIGN float x[kQ4BlockInputs];
  double error = 0;
  for (int64_t b = 0; b < Q4Blocks(width); ++b) {
    LoadBlock(w, width, b, factor, x);
    float of_block = 0;
    scales[b] = static_cast<int8_t>(BestScale(x, &of_block));
    error += of_block;
  }
  return error;
}

// values: [whole blocks]
void RoundValues(const float* w, int64_t width, float factor, const int8_t* scales,
                 int8_t* values) {
  HWY_ALIGN float x[kQ4BlockInputs];
  for (int64_t b = 0; b < Q4Blocks(width); ++b) {
    LoadBlock(w, width, b, factor, x);
    const BlockGrid grid(scales[b]);
    for (int i = 0; i < kQ4BlockInputs; i += kLanes) {
      hn::StoreU(grid.Nearest(hn::LoadU(F(), x + i)), F(), x + i);
    }
    for (int i = 0; i < kQ4BlockInputs; ++i) {
      values[b * kQ4BlockInputs + i] = static_cast<int8_t>(x[i]);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace plumbline
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plumbline {

HWY_EXPORT(ChooseScales);
HWY_EXPORT(RoundValues);

namespace {

// What the row's largest magnitude is at first, in units of its scale: the most that is held, what
// s = 15 and q = -8 hold, and finer units that clip the row's extremes or round every s better.
constexpr std::array<float, 6> kLargest = {127, 120, 112, 105, 98, 90};

// The scale with the least square error for the whole numbers that were chosen.
float FittedScale(absl::Span<const float> w, const Q4Row& row, float otherwise) {
  double products = 0;
  double squares = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    const int v = row.values[i] * row.scales[i / kQ4BlockInputs];
    products += static_cast<double>(w[i]) * v;
    squares += static_cast<double>(v) * v;
  }
  const auto fitted = static_cast<float>(products / squares);
  return fitted > 0 && std::isfinite(fitted) ? fitted : otherwise;
}

}  // namespace

void QuantizeQ4Row(absl::Span<const float> w, Q4Row* out) {
  const auto width = static_cast<int64_t>(w.size());
  const auto blocks = static_cast<size_t>(Q4Blocks(width));
  out->values.assign(blocks * kQ4BlockInputs, 0);
  out->scales.assign(blocks, 0);
  float most = 0;
  float not_finite = 0;  // 0 x infinity and 0 x NaN are NaN, and stay so in a sum
  for (const float value : w) {
    most = std::max(most, std::abs(value));
    not_finite += value * 0.0F;
  }
  out->scale = not_finite;
  // The reciprocal of a tiny magnitude would be infinite: such a row is dropped, as in int8.
  if (std::isnan(not_finite) || most < std::numeric_limits<float>::min() * kInt8Most) return;
  float best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (const float largest : kLargest) {
    const float factor = largest / most;
    const double units =
        HWY_DYNAMIC_DISPATCH(ChooseScales)(w.data(), width, factor, out->scales.data());
    const double error = units / (static_cast<double>(factor) * factor);
    if (!(error < least)) continue;
    least = error;
    best = largest;
  }
  const float factor = best / most;
  if (best != kLargest.back()) {  // whose scales were written last
    HWY_DYNAMIC_DISPATCH(ChooseScales)(w.data(), width, factor, out->scales.data());
  }
  HWY_DYNAMIC_DISPATCH(RoundValues)
  (w.data(), width, factor, out->scales.data(), out->values.data());
  out->scale = FittedScale(w, *out, most / best);
}

}  // namespace plumbline
#endif  // HWY_ONCE
