#include "engine/kv_convert.h"

#include <algorithm>
#include <cstring>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kv_convert.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, which includes this file once more for every target:
#include "engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace plumbline {
namespace HWY_NAMESPACE {

template <class Loader>
void WidenWith(const std::byte* from, int count, float* HWY_RESTRICT to) {
  const F f;
  const auto* in = reinterpret_cast<const typename Loader::T*>(from);
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) hn::StoreU(Loader::Load(in + i), f, to + i);
  if (i == count) return;
  const auto rest = static_cast<size_t>(count - i);
  hn::BlendedStore(Loader::LoadFirst(in + i, rest), hn::FirstN(f, rest), f, to + i);
}

void Widen(KvDtype dtype, const std::byte* from, int count, float* to) {
  switch (dtype) {
    case KvDtype::kF32:
      return WidenWith<LoadF32>(from, count, to);
    case KvDtype::kF16:
      return WidenWith<LoadF16>(from, count, to);
    case KvDtype::kBf16:
      return WidenWith<LoadBf16>(from, count, to);
    case KvDtype::kInt8:
      return WidenWith<LoadInt8>(from, count, to);
  }
}

void Narrow(KvDtype dtype, const float* HWY_RESTRICT from, int count, std::byte* to) {
  const F f;
  if (dtype == KvDtype::kF32) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  auto* out = reinterpret_cast<uint16_t*>(to);
  const LoadBf16::H half;
  for (int i = 0; i < count; i += kLanes) {
    const auto n = static_cast<size_t>(std::min(kLanes, count - i));
    const Vec value = LoadFirstN(f, from + i, n);
    const auto bits = dtype == KvDtype::kBf16 ? NarrowBf16(value) : NarrowF16(value);
    hn::BlendedStore(bits, hn::FirstN(half, n), half, out + i);
  }
}

float ScaleOf(const float* from, int count) {
  constexpr float kMost = 127;
  const F f;
  const Vec zero = hn::Zero(f);
  Vec most = zero;
  Vec not_finite = zero;  // 0 x infinity and 0 x NaN are NaN, and stay so in a sum
  for (int i = 0; i < count; i += kLanes) {
    const Vec value = LoadFirstN(f, from + i, static_cast<size_t>(std::min(kLanes, count - i)));
    most = hn::Max(most, hn::Abs(value));
    not_finite = hn::MulAdd(value, zero, not_finite);
  }
  const float magnitude =
      hn::GetLane(hn::MaxOfLanes(f, most)) + hn::GetLane(hn::SumOfLanes(f, not_finite));
  return magnitude < std::numeric_limits<float>::min() * kMost ? 0.0f : magnitude / kMost;
}

void NarrowInt8(const float* HWY_RESTRICT from, int count, float scale, std::byte* to) {
  if (!(scale > 0)) {
    std::memset(to, 0, static_cast<size_t>(count));
    return;
  }
  const Vec divisor = hn::Set(F(), scale);
  for (int i = 0; i < count; i += kLanes) {
    const auto n = static_cast<size_t>(std::min(kLanes, count - i));
    const auto whole = hn::NearestInt(hn::Div(LoadFirstN(F(), from + i, n), divisor));
    HWY_ALIGN int8_t narrow[kLanes];
    hn::Store(hn::DemoteTo(LoadInt8::B(), whole), LoadInt8::B(), narrow);
    std::memcpy(to + i, narrow, HWY_MIN(n, size_t{kLanes}));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace plumbline
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plumbline {

HWY_EXPORT(Widen);
HWY_EXPORT(Narrow);
HWY_EXPORT(ScaleOf);
HWY_EXPORT(NarrowInt8);

void WidenToF32(KvDtype dtype, const std::byte* from, int count, float* to) {
  HWY_DYNAMIC_DISPATCH(Widen)(dtype, from, count, to);
}

void NarrowFromF32(KvDtype dtype, const float* from, int count, std::byte* to) {
  HWY_DYNAMIC_DISPATCH(Narrow)(dtype, from, count, to);
}

float Int8Scale(const float* from, int count) { return HWY_DYNAMIC_DISPATCH(ScaleOf)(from, count); }

void NarrowToInt8(const float* from, int count, float scale, std::byte* to) {
  HWY_DYNAMIC_DISPATCH(NarrowInt8)(from, count, scale, to);
}

}  // namespace plumbline
#endif  // HWY_ONCE
