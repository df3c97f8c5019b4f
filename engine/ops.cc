#include "engine/ops.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/ops.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, which includes this file once more for every target:
#include "engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace plumbline {
namespace HWY_NAMESPACE {

// Stores lanes at element i, rounded to the dtype.
template <class Lanes>
HWY_INLINE void StoreAs(WeightDtype dtype, Vec value, int i, const Lanes& lanes, std::byte* out) {
  if (dtype == WeightDtype::kF32) {
    lanes.Store(value, reinterpret_cast<float*>(out) + i);
  } else {
    lanes.Store(NarrowBf16(value), reinterpret_cast<uint16_t*>(out) + i);
  }
}

HWY_INLINE float SumLanes(Vec sum) { return hn::GetLane(hn::SumOfLanes(F(), sum)); }

// The sum of term(value, mask of the lanes that are elements) over the row, in four sums that do
// not wait for each other.
template <class Term>
HWY_INLINE float SumRow(int width, const float* x, const Term& term) {
  const F f;
  const auto all = hn::FirstN(f, kLanes);
  Vec sums[4] = {hn::Zero(f), hn::Zero(f), hn::Zero(f), hn::Zero(f)};
  int i = 0;
  for (; i + 4 * kLanes <= width; i += 4 * kLanes) {
    for (int k = 0; k < 4; ++k) sums[k] = term(hn::LoadU(f, x + i + k * kLanes), all, sums[k]);
  }
  for (; i < width; i += kLanes) {
    const auto n = static_cast<size_t>(std::min(kLanes, width - i));
    sums[0] = term(LoadFirstN(f, x + i, n), hn::FirstN(f, n), sums[0]);
  }
  return SumLanes(hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3])));
}

void NormRowImpl(const NormParams& norm, int width, const float* x, WeightDtype out_dtype,
                 std::byte* out) {
  const F f;
  using Mask = hn::Mask<F>;
  const auto count = static_cast<float>(width);
  const bool layer = norm.kind == NormKind::kLayer;
  float mean = 0.0f;
  if (layer) {
    mean = SumRow(width, x, [](Vec v, Mask, Vec sum) { return hn::Add(v, sum); }) / count;
  }
  const Vec shift = hn::Set(f, mean);
  const float squares = SumRow(width, x, [shift](Vec v, Mask elements, Vec sum) {
    const Vec centred = hn::IfThenElseZero(elements, hn::Sub(v, shift));
    return hn::MulAdd(centred, centred, sum);
  });
  const Vec scale = hn::Set(f, 1.0f / std::sqrt(squares / count + norm.epsilon));
  ForVectors(width, [&](int i, const auto& lanes) {
    Vec value = lanes.Load(x + i);
    if (layer) value = hn::Sub(value, shift);
    value = hn::Mul(hn::Mul(value, scale), lanes.Load(norm.gain + i));
    if (norm.bias != nullptr) value = hn::Add(value, lanes.Load(norm.bias + i));
    StoreAs(out_dtype, value, i, lanes, out);
  });
}

// x = (x +) block (+ bias).
HWY_INLINE void PutBlock(const ResultBlock& block, const float* bias, int64_t outputs, bool add,
                         float* x) {
  if (bias != nullptr) bias += block.output;
  for (int64_t row = 0; row < block.rows; ++row) {
    const float* const from = block.values + row * block.stride;
    float* const to = x + (block.row + row) * outputs + block.output;
    ForVectors(static_cast<int>(block.outputs), [&](int i, const auto& lanes) {
      Vec value = lanes.Load(from + i);
      if (add) value = hn::Add(lanes.Load(to + i), value);
      if (bias != nullptr) value = hn::Add(value, lanes.Load(bias + i));
      lanes.Store(value, to + i);
    });
  }
}

void AddBlockImpl(const ResultBlock& block, const float* bias, int64_t outputs, float* x) {
  PutBlock(block, bias, outputs, true, x);
}

void StoreBlockImpl(const ResultBlock& block, const float* bias, int64_t outputs, float* x) {
  PutBlock(block, bias, outputs, false, x);
}

// a' = a cos - b sin, b' = b cos + a sin.
HWY_INLINE void RotatePair(Vec cosine, Vec sine, Vec& a, Vec& b) {
  const Vec rotated = hn::Sub(hn::Mul(a, cosine), hn::Mul(b, sine));
  b = hn::Add(hn::Mul(b, cosine), hn::Mul(a, sine));
  a = rotated;
}

void RotateHalves(int half, const float* cosines, const float* sines, float* head) {
  ForVectors(half, [&](int i, const auto& lanes) {
    Vec a = lanes.Load(head + i);
    Vec b = lanes.Load(head + half + i);
    RotatePair(lanes.Load(cosines + i), lanes.Load(sines + i), a, b);
    lanes.Store(a, head + i);
    lanes.Store(b, head + half + i);
  });
}

void RotateNeighbours(int half, const float* cosines, const float* sines, float* head) {
  const F f;
  int i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    Vec a;
    Vec b;
    hn::LoadInterleaved2(f, head + 2 * i, a, b);
    RotatePair(hn::LoadU(f, cosines + i), hn::LoadU(f, sines + i), a, b);
    hn::StoreInterleaved2(a, b, f, head + 2 * i);
  }
  for (; i < half; ++i) {
    const float a = head[2 * i];
    const float b = head[2 * i + 1];
    head[2 * i] = a * cosines[i] - b * sines[i];
    head[2 * i + 1] = b * cosines[i] + a * sines[i];
  }
}

void RotateImpl(PositionKind kind, int half, const float* cosines, const float* sines,
                const HeadRow& row) {
  for (int h = 0; h < row.heads; ++h) {
    float* const head = row.values + int64_t{1} * h * row.head_dim;
    if (kind == PositionKind::kRopeNeighbours) {
      RotateNeighbours(half, cosines, sines, head);
    } else {
      RotateHalves(half, cosines, sines, head);
    }
  }
}

// exp(x) for x from -87 to 88.02, off by some two units in the last place: 2^n times a polynomial
// in what is left of x (S. Moshier, Cephes, expf). Within that range 2^n is one addition to p's
// exponent.
HWY_INLINE Vec ExpWithin(Vec x) {
  const F f;
  const hn::RebindToSigned<F> whole;
  const Vec n = hn::Round(hn::Mul(x, hn::Set(f, 1.44269504088896341f)));
  // ln 2 in two parts, the first of few bits, so that its product with n is exact.
  Vec r = hn::NegMulAdd(n, hn::Set(f, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(f, -2.12194440e-4f), r);
  Vec p = hn::Set(f, 1.9875691500e-4f);
  for (const float c :
       {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f}) {
    p = hn::MulAdd(p, r, hn::Set(f, c));
  }
  p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), hn::Set(f, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::ConvertTo(whole, n));
  return hn::BitCast(f, hn::Add(hn::BitCast(whole, p), exponent));
}

// x / (1 + exp(-u)). What exp leaves out moves no gate by more than |x| exp(-88).
HWY_INLINE Vec Gate(Vec x, Vec u) {
  const F f;
  const Vec exponent = hn::Min(hn::Max(hn::Neg(u), hn::Set(f, -87.0f)), hn::Set(f, 88.02f));
  return hn::Div(x, hn::Add(hn::Set(f, 1.0f), ExpWithin(exponent)));
}

// Elements of `in` from i on, with their bias.
template <class Lanes>
HWY_INLINE Vec LoadBiased(const float* in, const float* bias, int i, const Lanes& lanes) {
  const Vec x = lanes.Load(in + i);
  return bias == nullptr ? x : hn::Add(x, lanes.Load(bias + i));
}

void GeluImpl(int ffn, const float* in, const float* bias, WeightDtype out_dtype, std::byte* out) {
  const F f;
  ForVectors(ffn, [&](int i, const auto& lanes) {
    const Vec x = LoadBiased(in, bias, i, lanes);
    // gelu(x) = x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)).
    const Vec cube = hn::Mul(hn::Mul(x, x), x);
    const Vec inner = hn::MulAdd(hn::Set(f, 0.044715f), cube, x);
    StoreAs(out_dtype, Gate(x, hn::Mul(hn::Set(f, 1.5957691216057308f), inner)), i, lanes, out);
  });
}

void SwiGluImpl(int ffn, const float* in, const float* bias, WeightDtype out_dtype,
                std::byte* out) {
  for (int turn = 0; turn < ffn; turn += kGateTurn) {
    const int size = std::min(kGateTurn, ffn - turn);
    ForVectors(size, [&](int i, const auto& lanes) {
      const Vec gate = LoadBiased(in, bias, 2 * turn + i, lanes);
      const Vec up = LoadBiased(in, bias, 2 * turn + size + i, lanes);
      StoreAs(out_dtype, hn::Mul(Gate(gate, gate), up), turn + i, lanes, out);
    });
  }
}

void RoundRowImpl(int count, const float* x, WeightDtype out_dtype, std::byte* out) {
  ForVectors(count, [&](int i, const auto& lanes) {
    StoreAs(out_dtype, lanes.Load(x + i), i, lanes, out);
  });
}

// Twice over the row: what its largest number is, and where that stands first.
int FindLargestImpl(int count, const float* x) {
  const F f;
  const Vec infinity = hn::Set(f, std::numeric_limits<float>::infinity());
  Vec most = hn::Neg(infinity);
  auto bad = hn::Lt(infinity, infinity);  // none
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec value = hn::LoadU(f, x + i);
    bad = hn::Or(bad, hn::Not(hn::Lt(value, infinity)));
    most = hn::Max(most, value);
  }
  float largest = hn::GetLane(hn::MaxOfLanes(f, most));
  bool good = hn::AllFalse(f, bad);
  for (; i < count; ++i) {
    good = good && x[i] < std::numeric_limits<float>::infinity();
    largest = std::max(largest, x[i]);
  }
  if (!good || !(largest > -std::numeric_limits<float>::infinity())) return -1;
  const Vec wanted = hn::Set(f, largest);
  for (i = 0; i + kLanes <= count; i += kLanes) {
    const intptr_t place = hn::FindFirstTrue(f, hn::Eq(hn::LoadU(f, x + i), wanted));
    if (place >= 0) return i + static_cast<int>(place);
  }
  while (x[i] != largest) ++i;
  return i;
}

}  // namespace HWY_NAMESPACE
}  // namespace plumbline
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plumbline {

HWY_EXPORT(NormRowImpl);
HWY_EXPORT(AddBlockImpl);
HWY_EXPORT(StoreBlockImpl);
HWY_EXPORT(RotateImpl);
HWY_EXPORT(GeluImpl);
HWY_EXPORT(SwiGluImpl);
HWY_EXPORT(RoundRowImpl);
HWY_EXPORT(FindLargestImpl);

void NormRow(const NormParams& norm, int width, const float* x, WeightDtype out_dtype,
             std::byte* out) {
  HWY_DYNAMIC_DISPATCH(NormRowImpl)(norm, width, x, out_dtype, out);
}

void AddRow(int count, const float* delta, float* x) {
  for (int i = 0; i < count; ++i) x[i] += delta[i];
}

void AddBlock(const ResultBlock& block, const float* bias, int64_t outputs, float* x) {
  HWY_DYNAMIC_DISPATCH(AddBlockImpl)(block, bias, outputs, x);
}

void StoreBlock(const ResultBlock& block, const float* bias, int64_t outputs, float* x) {
  const bool in_place = block.values == x + block.row * outputs + block.output;
  if (in_place && bias == nullptr) return;
  HWY_DYNAMIC_DISPATCH(StoreBlockImpl)(block, bias, outputs, x);
}

void Activate(FeedForwardKind kind, int ffn, const float* in, const float* bias,
              WeightDtype out_dtype, std::byte* out) {
  if (kind == FeedForwardKind::kSwiGlu) {
    HWY_DYNAMIC_DISPATCH(SwiGluImpl)(ffn, in, bias, out_dtype, out);
  } else {
    HWY_DYNAMIC_DISPATCH(GeluImpl)(ffn, in, bias, out_dtype, out);
  }
}

void RoundRow(int count, const float* x, WeightDtype out_dtype, std::byte* out) {
  HWY_DYNAMIC_DISPATCH(RoundRowImpl)(count, x, out_dtype, out);
}

int FindLargest(int count, const float* x) {
  return HWY_DYNAMIC_DISPATCH(FindLargestImpl)(count, x);
}

void Rotate(PositionKind kind, int rope_dims, const float* cosines, const float* sines,
            const HeadRow& row) {
  HWY_DYNAMIC_DISPATCH(RotateImpl)(kind, rope_dims / 2, cosines, sines, row);
}

}  // namespace plumbline
#endif  // HWY_ONCE
