// Vectors of at most 16 floats and loads that widen to them, for the kernels compiled once per
// instruction set. Included by each target's pass: the guard toggles.
#if defined(PLUMBLINE_ENGINE_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PLUMBLINE_ENGINE_SIMD_INL_H_
#undef PLUMBLINE_ENGINE_SIMD_INL_H_
#else
#define PLUMBLINE_ENGINE_SIMD_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "engine/float_convert.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace plumbline {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F = hn::CappedTag<float, 16>;
using Vec = hn::Vec<F>;
constexpr int kLanes = HWY_MIN(HWY_LANES(float), 16);

// The first n elements, then zeros; nothing beyond them is read. Where the CPU has no masked loads
// of this width, Highway 1.0.3's read a whole vector (on SSE4 an aligned one, which faults).
template <class D>
HWY_INLINE hn::Vec<D> LoadFirstN(D d, const hn::TFromD<D>* p, size_t n) {
  constexpr bool kMasks = HWY_TARGET <= HWY_AVX3 || (HWY_TARGET == HWY_AVX2 && sizeof(*p) == 4);
  if constexpr (kMasks) {
    return hn::MaskedLoad(hn::FirstN(d, n), d, p);
  } else {
    if (n == hn::Lanes(d)) return hn::LoadU(d, p);
    HWY_ALIGN hn::TFromD<D> first[kLanes] = {};
    // n is at most the lanes; g++ warns where it cannot see that.
    std::memcpy(first, p, HWY_MIN(n, size_t{kLanes}) * sizeof(*p));
    return hn::Load(d, first);
  }
}

struct LoadF32 {
  using T = float;
  static HWY_INLINE Vec Load(const T* p) { return hn::LoadU(F(), p); }
  static HWY_INLINE Vec LoadFirst(const T* p, size_t n) { return LoadFirstN(F(), p, n); }
};

struct LoadBf16 {
  using T = uint16_t;
  using H = hn::Rebind<uint16_t, F>;
  using U = hn::Rebind<uint32_t, F>;
  static HWY_INLINE Vec Widen(hn::Vec<H> half) {
    return hn::BitCast(F(), hn::ShiftLeft<16>(hn::PromoteTo(U(), half)));
  }
  static HWY_INLINE Vec Load(const T* p) { return Widen(hn::LoadU(H(), p)); }
  static HWY_INLINE Vec LoadFirst(const T* p, size_t n) { return Widen(LoadFirstN(H(), p, n)); }
};

// x86 CPUs before AVX2 have no conversion of their own, and Highway's stand-in neither rounds to
// nearest nor keeps subnormals: element by element, then.
constexpr bool kConvertsF16 = !(HWY_ARCH_X86 && HWY_TARGET > HWY_AVX2);

struct LoadF16 {
  using T = uint16_t;
  using H = hn::Rebind<uint16_t, F>;
  using Native = hn::Rebind<hwy::float16_t, F>;
  static HWY_INLINE Vec Widen(hn::Vec<H> half) {
    if constexpr (kConvertsF16) {
      return hn::PromoteTo(F(), hn::BitCast(Native(), half));
    } else {
      HWY_ALIGN uint16_t bits[kLanes];
      HWY_ALIGN float values[kLanes];
      hn::Store(half, H(), bits);
      for (int i = 0; i < kLanes; ++i) values[i] = F16ToF32(bits[i]);
      return hn::Load(F(), values);
    }
  }
  static HWY_INLINE Vec Load(const T* p) { return Widen(hn::LoadU(H(), p)); }
  static HWY_INLINE Vec LoadFirst(const T* p, size_t n) { return Widen(LoadFirstN(H(), p, n)); }
};

struct LoadInt8 {
  using T = int8_t;
  using B = hn::Rebind<int8_t, F>;
  using I = hn::Rebind<int32_t, F>;
  static HWY_INLINE Vec Widen(hn::Vec<B> bytes) {
    return hn::ConvertTo(F(), hn::PromoteTo(I(), bytes));
  }
  static HWY_INLINE Vec Load(const T* p) { return Widen(hn::LoadU(B(), p)); }
  static HWY_INLINE Vec LoadFirst(const T* p, size_t n) { return Widen(LoadFirstN(B(), p, n)); }
};

// Rounds kLanes floats to nearest even; NaN stays NaN.
HWY_INLINE hn::Vec<LoadF16::H> NarrowF16(Vec value) {
  if constexpr (kConvertsF16) {
    return hn::BitCast(LoadF16::H(), hn::DemoteTo(LoadF16::Native(), value));
  } else {
    HWY_ALIGN float values[kLanes];
    HWY_ALIGN uint16_t bits[kLanes];
    hn::Store(value, F(), values);
    for (int i = 0; i < kLanes; ++i) bits[i] = F32ToF16(values[i]);
    return hn::Load(LoadF16::H(), bits);
  }
}

// Rounds kLanes floats to nearest even; NaN stays NaN (made quiet).
HWY_INLINE hn::Vec<LoadBf16::H> NarrowBf16(Vec value) {
  const LoadBf16::U u;
  const auto bits = hn::BitCast(u, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(u, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(u, 0x7FFF))));
  const auto quiet = hn::Or(hn::ShiftRight<16>(bits), hn::Set(u, 0x0040));
  const auto is_nan = hn::RebindMask(u, hn::IsNaN(value));
  return hn::TruncateTo(LoadBf16::H(), hn::IfThenElse(is_nan, quiet, rounded));
}

// All lanes of a vector, or the first of them: what is left of a row.
struct AllLanes {
  HWY_INLINE Vec Load(const float* p) const { return hn::LoadU(F(), p); }
  HWY_INLINE void Store(Vec value, float* p) const { hn::StoreU(value, F(), p); }
  HWY_INLINE void Store(hn::Vec<LoadBf16::H> value, uint16_t* p) const {
    hn::StoreU(value, LoadBf16::H(), p);
  }
};
struct FirstLanes {
  size_t n;
  HWY_INLINE Vec Load(const float* p) const { return LoadFirstN(F(), p, n); }
  HWY_INLINE void Store(Vec value, float* p) const {
    hn::BlendedStore(value, hn::FirstN(F(), n), F(), p);
  }
  HWY_INLINE void Store(hn::Vec<LoadBf16::H> value, uint16_t* p) const {
    const LoadBf16::H half;
    hn::BlendedStore(value, hn::FirstN(half, n), half, p);
  }
};

// Calls fn(i, lanes) for every vector of `count` elements, which begins at element i.
template <class Fn>
HWY_INLINE void ForVectors(int count, const Fn& fn) {
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) fn(i, AllLanes());
  if (i < count) fn(i, FirstLanes{static_cast<size_t>(count - i)});
}

}  // namespace HWY_NAMESPACE
}  // namespace plumbline
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
