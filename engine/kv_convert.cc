#include "engine/kv_convert.h"

#include <algorithm>
#include <cstring>

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

}  // namespace HWY_NAMESPACE
}  // namespace plumbline
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plumbline {

HWY_EXPORT(Widen);
HWY_EXPORT(Narrow);

void WidenToF32(KvDtype dtype, const std::byte* from, int count, float* to) {
  HWY_DYNAMIC_DISPATCH(Widen)(dtype, from, count, to);
}

void NarrowFromF32(KvDtype dtype, const float* from, int count, std::byte* to) {
  HWY_DYNAMIC_DISPATCH(Narrow)(dtype, from, count, to);
}

}  // namespace plumbline
#endif  // HWY_ONCE
