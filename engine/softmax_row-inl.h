// The softmax of one row of scores, for the kernels compiled once per instruction set. Included by
// each target's pass: the guard toggles.
#if defined(PLUMBLINE_ENGINE_SOFTMAX_ROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PLUMBLINE_ENGINE_SOFTMAX_ROW_INL_H_
#undef PLUMBLINE_ENGINE_SOFTMAX_ROW_INL_H_
#else
#define PLUMBLINE_ENGINE_SOFTMAX_ROW_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <limits>

#include "engine/simd-inl.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace plumbline {
namespace HWY_NAMESPACE {

// Turns the first `visible` scores of a row into weights exp(score - maximum), in place; writes
// maximum and sum. A partial vector runs the same code; its masked lanes add zero. Returns the
// scores whose exp ran.
inline int SoftmaxRow(float* HWY_RESTRICT row, int visible, float* maximum_out, float* sum_out) {
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

}  // namespace HWY_NAMESPACE
}  // namespace plumbline
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
