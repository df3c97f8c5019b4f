#include "engine/attention_partials.h"

#include <algorithm>
#include <array>
#include <cstdint>

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

// Rows whose factors are computed in one vector.
constexpr int kRowsAtOnce = 16;

// What each of two partials is multiplied with: exp(0) = 1 on the side of the larger maximum.
struct Factors {
  float keep;
  float add;
};

// running * keep + partial * add: values, and the sum behind them, in whole vectors, since the room
// is rounded up to 16 floats. The maximum between is set apart.
HWY_INLINE void MergeRow(const float* HWY_RESTRICT partial, const Factors& factors, int head_dim,
                         float* HWY_RESTRICT running) {
  const F f;
  const float maximum = std::max(running[head_dim], partial[head_dim]);
  const Vec keep = hn::Set(f, factors.keep);
  const Vec add = hn::Set(f, factors.add);
  for (int i = 0; i < PartialFloats(head_dim); i += kLanes) {
    const Vec scaled = hn::Mul(hn::LoadU(f, running + i), keep);
    hn::StoreU(hn::MulAdd(hn::LoadU(f, partial + i), add, scaled), f, running + i);
  }
  running[head_dim] = maximum;
}

void Merge(const float* HWY_RESTRICT partials, int rows, int head_dim,
           float* HWY_RESTRICT runnings) {
  const F f;
  const int64_t floats = PartialFloats(head_dim);
  HWY_ALIGN std::array<float, kRowsAtOnce> others;
  for (int row = 0; row < rows; row += kRowsAtOnce) {
    const int count = std::min(kRowsAtOnce, rows - row);
    const float* partial = partials + row * floats;
    float* running = runnings + row * floats;
    // Maxima that are no numbers reach the sum by either.
    others = {};
    for (int i = 0; i < count; ++i) {
      const float difference = partial[i * floats + head_dim] - running[i * floats + head_dim];
      others[i] = difference > 0 ? -difference : difference;
    }
    for (int i = 0; i < count; i += kLanes) {
      hn::StoreU(hn::Exp(f, hn::LoadU(f, others.data() + i)), f, others.data() + i);
    }
    for (int i = 0; i < count; ++i, partial += floats, running += floats) {
      if (running[head_dim + 1] == 0.0f) {
        std::copy(partial, partial + head_dim + 2, running);
        continue;
      }
      const bool grows = partial[head_dim] - running[head_dim] > 0;
      MergeRow(partial, grows ? Factors{others[i], 1.0f} : Factors{1.0f, others[i]}, head_dim,
               running);
    }
  }
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

void MergePartials(const float* partials, int rows, int head_dim, float* runnings) {
  HWY_DYNAMIC_DISPATCH(Merge)(partials, rows, head_dim, runnings);
}

void FinishPartial(const float* running, int head_dim, float* out) {
  HWY_DYNAMIC_DISPATCH(Finish)(running, head_dim, out);
}

}  // namespace plumbline
#endif  // HWY_ONCE
