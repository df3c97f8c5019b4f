// The choice of 4-bit weights: see q4_rows.h.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

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

// A block to every lane, in units of the row's scale.
struct BlockGrid {
  // Whole numbers.
  explicit HWY_INLINE BlockGrid(Vec scale) : unit(scale) {
    const F f;
    inverse = hn::IfThenZeroElse(hn::Eq(scale, hn::Zero(f)), hn::Div(hn::Set(f, 1.0F), scale));
    // Infinite for a scale of 0, whose q are 0 as they are.
    const Vec most = hn::Floor(hn::Div(hn::Set(f, float{kInt8Most}), hn::Abs(scale)));
    high = hn::Min(hn::Set(f, float{kQ4Most}), most);
    low = hn::Max(hn::Set(f, float{kQ4Least}), hn::Neg(most));
  }
  // The nearest q.
  HWY_INLINE Vec Nearest(Vec x) const {
    return hn::Min(hn::Max(hn::Round(hn::Mul(x, inverse)), low), high);
  }
  // `error` and the square of what the nearest q loses.
  HWY_INLINE Vec AddError(Vec x, Vec error) const {
    const Vec lost = hn::NegMulAdd(Nearest(x), unit, x);
    return hn::MulAdd(lost, lost, error);
  }

  Vec unit, inverse, low, high;
};

// The best scale of every lane so far, and its square error.
struct BestScales {
  HWY_INLINE void Try(Vec scale, Vec of_scale) {
    const F f;
    const auto may = hn::And(hn::Ne(scale, hn::Zero(f)),
                             hn::Le(hn::Abs(scale), hn::Set(f, float{kQ4MostScale})));
    const auto better = hn::And(may, hn::Lt(of_scale, error));
    error = hn::IfThenElse(better, of_scale, error);
    scales = hn::IfThenElse(better, scale, scales);
  }

  Vec error;
  Vec scales;
};

// Blocks side by side, one to a lane: input i of all of them is at i x kLanes.
struct Blocks {
  // From block `first` of the row on; zeros behind its end.
  HWY_INLINE Blocks(const float* w, int64_t width, int64_t first) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const int64_t begin = (first + lane) * kQ4BlockInputs;
      const auto count =
          static_cast<int>(HWY_MAX(int64_t{0}, HWY_MIN(width - begin, int64_t{kQ4BlockInputs})));
      for (int i = 0; i < count; ++i) x[i * kLanes + lane] = w[begin + i];
      for (int i = count; i < kQ4BlockInputs; ++i) x[i * kLanes + lane] = 0.0F;
    }
  }
  HWY_INLINE Vec Input(int i) const { return hn::Load(F(), x + i * kLanes); }

  // The number of the largest magnitude.
  HWY_INLINE Vec Extreme() const {
    Vec high = Input(0);
    Vec low = high;
    for (int i = 1; i < kQ4BlockInputs; ++i) {
      high = hn::Max(high, Input(i));
      low = hn::Min(low, Input(i));
    }
    return hn::IfThenElse(hn::Ge(high, hn::Neg(low)), high, low);
  }

  // Tries `near` and the whole numbers beside it, of x times `factor`.
  HWY_INLINE void TryNear(Vec near, Vec factor, BestScales* best) const {
    const Vec one = hn::Set(F(), 1.0F);
    const BlockGrid below(hn::Sub(near, one));
    const BlockGrid at(near);
    const BlockGrid above(hn::Add(near, one));
    Vec error_below = hn::Zero(F());
    Vec error_at = error_below;
    Vec error_above = error_below;
    for (int i = 0; i < kQ4BlockInputs; ++i) {
      const Vec value = hn::Mul(Input(i), factor);
      error_below = below.AddError(value, error_below);
      error_at = at.AddError(value, error_at);
      error_above = above.AddError(value, error_above);
    }
    best->Try(below.unit, error_below);
    best->Try(at.unit, error_at);
    best->Try(above.unit, error_above);
  }

  // The best of 0 and the s that put the extreme near -8 or near 7.
  HWY_INLINE BestScales Best(Vec extreme, Vec factor) const {
    const F f;
    BestScales best = {hn::Zero(f), hn::Zero(f)};
    for (int i = 0; i < kQ4BlockInputs; ++i) {
      const Vec value = hn::Mul(Input(i), factor);
      best.error = hn::MulAdd(value, value, best.error);
    }
    for (const int end : {kQ4Least, kQ4Most}) {
      const Vec reached = hn::Div(hn::Mul(extreme, factor), hn::Set(f, static_cast<float>(end)));
      TryNear(hn::Round(reached), factor, &best);
    }
    return best;
  }

  HWY_ALIGN float x[kQ4BlockInputs * kLanes];
};

// For each of the factors, in whose reciprocals' units the row is, the blocks' scales and the
// square error of the whole row in those units. scales: [factors, blocks]; errors: [factors], zeros
void ChooseScales(const float* w, int64_t width, absl::Span<const float> factors, int8_t* scales,
                  double* errors) {
  const int64_t num_blocks = Q4Blocks(width);
  HWY_ALIGN float chosen[kLanes];
  HWY_ALIGN float lost[kLanes];
  for (int64_t first = 0; first < num_blocks; first += kLanes) {
    const Blocks blocks(w, width, first);
    const Vec extreme = blocks.Extreme();
    const auto count = static_cast<int>(HWY_MIN(num_blocks - first, int64_t{kLanes}));
    for (size_t k = 0; k < factors.size(); ++k) {
      const BestScales best = blocks.Best(extreme, hn::Set(F(), factors[k]));
      hn::Store(best.scales, F(), chosen);
      hn::Store(best.error, F(), lost);
      int8_t* const to = scales + static_cast<int64_t>(k) * num_blocks + first;
      for (int i = 0; i < count; ++i) {
        to[i] = static_cast<int8_t>(chosen[i]);
        errors[k] += lost[i];
      }
    }
  }
}

// Block b of the row times `factor`, zeros behind its end. x: [32]
HWY_INLINE void LoadBlock(const float* w, int64_t width, int64_t b, float factor, float* x) {
  const int64_t first = b * kQ4BlockInputs;
  const auto count = static_cast<int>(HWY_MIN(width - first, int64_t{kQ4BlockInputs}));
  for (int i = 0; i < kQ4BlockInputs; ++i) x[i] = i < count ? w[first + i] * factor : 0.0F;
}

// values: [whole blocks]
void RoundValues(const float* w, int64_t width, float factor, const int8_t* scales,
                 int8_t* values) {
  HWY_ALIGN float x[kQ4BlockInputs];
  for (int64_t b = 0; b < Q4Blocks(width); ++b) {
    LoadBlock(w, width, b, factor, x);
    const BlockGrid grid(hn::Set(F(), static_cast<float>(scales[b])));
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
  constexpr size_t kSums = 8;  // so many additions do not wait for each other
  std::array<double, kSums> products = {};
  int64_t squares = 0;
  for (size_t b = 0; b < row.scales.size(); ++b) {
    const size_t first = b * kQ4BlockInputs;
    const size_t count = std::min(w.size() - first, size_t{kQ4BlockInputs});
    const float* const of_block = w.data() + first;
    const int8_t* const values = row.values.data() + first;
    const int8_t scale = row.scales[b];
    for (size_t i = 0; i < count; ++i) {
      const int v = values[i] * scale;
      products[i % kSums] += static_cast<double>(of_block[i]) * v;
      squares += v * v;
    }
  }
  const double product = std::accumulate(products.begin(), products.end(), 0.0);
  const auto fitted = static_cast<float>(product / static_cast<double>(squares));
  return fitted > 0 && std::isfinite(fitted) ? fitted : otherwise;
}

}  // namespace

void QuantizeQ4Row(absl::Span<const float> w, Q4Row* out) {
  const auto width = static_cast<int64_t>(w.size());
  const auto blocks = static_cast<size_t>(Q4Blocks(width));
  out->values.assign(blocks * kQ4BlockInputs, 0);
  out->scales.assign(blocks, 0);
  const float most = Magnitude(w);
  out->scale = std::isnan(most) ? most : 0.0F;
  // The reciprocal of a tiny magnitude would be infinite: such a row is dropped, as in int8.
  if (std::isnan(most) || most < std::numeric_limits<float>::min() * kInt8Most) return;
  std::array<float, kLargest.size()> factors;
  for (size_t k = 0; k < factors.size(); ++k) factors[k] = kLargest[k] / most;
  std::array<double, kLargest.size()> errors = {};
  out->scales.resize(factors.size() * blocks);
  HWY_DYNAMIC_DISPATCH(ChooseScales)
  (w.data(), width, factors, out->scales.data(), errors.data());
  for (size_t k = 0; k < factors.size(); ++k) {
    errors[k] /= static_cast<double>(factors[k]) * factors[k];
  }
  const auto best =
      static_cast<size_t>(std::min_element(errors.begin(), errors.end()) - errors.begin());
  std::copy_n(out->scales.begin() + static_cast<ptrdiff_t>(best * blocks), blocks,
              out->scales.begin());
  out->scales.resize(blocks);
  const float factor = factors[best];
  HWY_DYNAMIC_DISPATCH(RoundValues)
  (w.data(), width, factor, out->scales.data(), out->values.data());
  out->scale = FittedScale(w, *out, most / kLargest[best]);
}

}  // namespace plumbline
#endif  // HWY_ONCE
