#include "engine/attention_partials.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/attention_partials.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, which includes this file once more for every target:
#include "engine/simd-inl.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace plumbline {
namespace HWY_NAMESPACE {

HWY_INLINE float ExpOne(float x) { return hn::GetLane(hn::Exp(F(), hn::Set(F(), x))); }

void Merge(const float* HWY_RESTRICT partial, int head_dim, float* HWY_RESTRICT running) {
  const F f;
  float* maximum = running + head_dim;
  float* sum = running + head_dim + 1;
  if (*sum == 0.0f) {
    std::copy(partial, partial + head_dim + 2, running);
    return;
  }
  // exp(0) = 1 on the side of the larger one; maxima that are no numbers reach the sum by either.
  const float difference = partial[head_dim] - *maximum;
  const bool grows = difference > 0;
  const float larger = grows ? partial[head_dim] : *maximum;
  const float other = ExpOne(grows ? -difference : difference);
  const float keep = grows ? other : 1.0f;
  const float add = grows ? 1.0f : other;
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

}  // namespace HWY_NAMESPACE
}  // namespace plumbline
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plumbline {

HWY_EXPORT(Merge);
HWY_EXPORT(Finish);

void MergePartial(const float* partial, int head_dim, float* running) {
  HWY_DYNAMIC_DISPATCH(Merge)(partial, head_dim, running);
}

void FinishPartial(const float* running, int head_dim, float* out) {
  HWY_DYNAMIC_DISPATCH(Finish)(running, head_dim, out);
}

}  // namespace plumbline
#endif  // HWY_ONCE
