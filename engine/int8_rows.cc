#include "engine/int8_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/int8_rows.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, which includes this file once more for every target:
#include "engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace plumbline {
namespace HWY_NAMESPACE {

using I32 = hn::Rebind<int32_t, F>;
using U8 = hn::Rebind<uint8_t, F>;

float MagnitudeImpl(int64_t count, const float* x) {
  const F f;
  const Vec zero = hn::Zero(f);
  Vec most = zero;
  Vec not_finite = zero;  // 0 x infinity and 0 x NaN are NaN, and stay so in a sum
  for (int64_t i = 0; i < count; i += kLanes) {
    const auto n = static_cast<size_t>(std::min<int64_t>(kLanes, count - i));
    const Vec value = LoadFirstN(f, x + i, n);
    most = hn::Max(most, hn::Abs(value));
    not_finite = hn::MulAdd(value, zero, not_finite);
  }
  return hn::GetLane(hn::MaxOfLanes(f, most)) + hn::GetLane(hn::SumOfLanes(f, not_finite));
}

// Writes the first n lanes and nothing beyond: the next row may be another thread's.
HWY_INLINE void StoreFirstN(hn::Vec<U8> value, size_t n, std::byte* out) {
  const U8 u8;
  auto* to = reinterpret_cast<uint8_t*>(out);
  if (n == kLanes) {
    hn::StoreU(value, u8, to);
  } else {
    HWY_ALIGN uint8_t all[kLanes];
    hn::Store(value, u8, all);
    std::memcpy(to, all, HWY_MIN(n, size_t{kLanes}));
  }
}

void QuantizeRowImpl(int count, const float* x, std::byte* out, float* scale) {
  const F f;
  const I32 i32;
  const float most = MagnitudeImpl(count, x);
  *scale = most / static_cast<float>(kInt8Most);
  // The reciprocal of a tiny magnitude would be infinite: such a row is dropped as if it were 0.
  const bool tiny = most < std::numeric_limits<float>::min() * kInt8Most;
  if (tiny) *scale = 0.0f;
  const Vec factor = hn::Set(f, most > 0.0f && !tiny ? static_cast<float>(kInt8Most) / most : 0.0f);
  const auto offset = hn::Set(i32, kInt8Zero);
  for (int i = 0; i < count; i += kLanes) {
    const auto n = static_cast<size_t>(std::min(kLanes, count - i));
    const auto whole = hn::NearestInt(hn::Mul(LoadFirstN(f, x + i, n), factor));
    StoreFirstN(hn::DemoteTo(U8(), hn::Add(whole, offset)), n, out + i);
  }
}

void FinishRowImpl(int64_t outputs, const int32_t* offsets, const float* scales, float scale,
                   float* y) {
  const F f;
  const I32 i32;
  const Vec of_row = hn::Set(f, scale);
  for (int64_t i = 0; i < outputs; i += kLanes) {
    const auto n = static_cast<size_t>(std::min<int64_t>(kLanes, outputs - i));
    const auto sums = hn::BitCast(i32, LoadFirstN(f, y + i, n));
    const auto exact = hn::Sub(sums, LoadFirstN(i32, offsets + i, n));
    const Vec value =
        hn::Mul(hn::Mul(hn::ConvertTo(f, exact), of_row), LoadFirstN(f, scales + i, n));
    hn::BlendedStore(value, hn::FirstN(f, n), f, y + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace plumbline
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plumbline {

HWY_EXPORT(MagnitudeImpl);
HWY_EXPORT(QuantizeRowImpl);
HWY_EXPORT(FinishRowImpl);

float Magnitude(absl::Span<const float> x) {
  return HWY_DYNAMIC_DISPATCH(MagnitudeImpl)(static_cast<int64_t>(x.size()), x.data());
}

void QuantizeRow(int count, const float* x, std::byte* out, float* scale) {
  HWY_DYNAMIC_DISPATCH(QuantizeRowImpl)(count, x, out, scale);
}

void QuantizeWeights(int64_t inputs, const float* w, std::byte* out, float* scale,
                     int32_t* offset) {
  QuantizeRow(static_cast<int>(inputs), w, out, scale);
  int32_t sum = 0;
  for (int64_t i = 0; i < inputs; ++i) {
    const int value = std::to_integer<int>(out[i]) - kInt8Zero;
    sum += value;
    out[i] = static_cast<std::byte>(value);
  }
  // Beyond 2^31 for the very longest rows: it wraps, as the sums it is taken from do.
  *offset = static_cast<int32_t>(static_cast<uint32_t>(sum) * kInt8Zero);
}

void FinishInt8(const Int8Channels& channels, int64_t first, int64_t count, float scale, float* y) {
  HWY_DYNAMIC_DISPATCH(FinishRowImpl)
  (count, channels.offsets.data() + first, channels.scales.data() + first, scale, y);
}

size_t HalvesScratch::Bytes(int64_t rows, int64_t outputs, int64_t inputs) {
  return static_cast<size_t>(rows) *
         (2 * static_cast<size_t>(inputs) + static_cast<size_t>(outputs) * sizeof(int32_t));
}

HalvesScratch::HalvesScratch(std::byte* memory, int64_t rows, int64_t outputs, int64_t inputs) {
  sums = reinterpret_cast<int32_t*>(memory);
  low = reinterpret_cast<std::byte*>(sums + rows * outputs);
  high = low + rows * inputs;
}

void SplitHalves(int64_t count, const std::byte* x, std::byte* low, std::byte* high) {
  for (int64_t i = 0; i < count; ++i) {
    const auto value = std::to_integer<uint8_t>(x[i]);
    const uint8_t part = std::min<uint8_t>(value, kInt8Most);
    low[i] = std::byte{part};
    high[i] = static_cast<std::byte>(value - part);
  }
}

void AddSums(int64_t count, const int32_t* more, int32_t* sums) {
  for (int64_t i = 0; i < count; ++i) {
    sums[i] = static_cast<int32_t>(static_cast<uint32_t>(sums[i]) + static_cast<uint32_t>(more[i]));
  }
}

}  // namespace plumbline
#endif  // HWY_ONCE
