// Products of 4-bit weights and their unpacking, once for every instruction set: see q4_rows.h.
#include <algorithm>
#include <cstring>

#include "engine/page_ahead.h"
#include "engine/q4_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/q4_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, which includes this file once more for every target:
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace plumbline {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int kQuads = 4;        // vectors of a block: see the layout in q4_rows.h
constexpr int kQuadInputs = 4;   // of one half of a lane
constexpr int kHighInputs = 16;  // the high halves' first input
constexpr int kQuadBytes = kQ4TileOutputs * kQuadInputs;

HWY_INLINE uint32_t LoadWord(const void* from) {
  uint32_t word = 0;
  hwy::CopyBytes<sizeof(word)>(from, &word);
  return word;
}

#if HWY_TARGET == HWY_SCALAR  // CPUs without SSSE3: no vectors of 128 bits

constexpr int kMostRows = 1;  // that share what is unpacked

int Nibble(const std::byte* nibbles, int64_t output, int input) {
  const int within = input % kHighInputs;
  const std::byte pair =
      nibbles[within / kQuadInputs * kQuadBytes + output * kQuadInputs + within % kQuadInputs];
  const int bits = std::to_integer<int>(pair) >> input / kHighInputs * 4 & 0xF;
  return (bits ^ 8) - 8;
}

template <int kRows>
void MultiplyRows(int64_t blocks, const std::byte* nibbles, const int8_t* scales,
                  const std::byte* x, int64_t, uint32_t* sums) {
  std::fill(sums, sums + kQ4TileOutputs, 0U);
  for (int64_t at = 0; at < blocks * kQ4TileOutputs; ++at) {
    const int64_t block = at / kQ4TileOutputs;
    int sum = 0;
    for (int i = 0; i < kQ4BlockInputs; ++i) {
      sum += Nibble(nibbles + block * kQ4TileBlockBytes, at % kQ4TileOutputs, i) *
             std::to_integer<int>(x[block * kQ4BlockInputs + i]);
    }
    sums[at % kQ4TileOutputs] += static_cast<uint32_t>(sum * scales[at]);
  }
}

void UnpackTile(int64_t blocks, const std::byte* nibbles, const int8_t* scales,
                const Q4Strides& strides, std::byte* out) {
  for (int64_t i = 0; i < blocks * kQ4BlockInputs; ++i) {
    const int64_t block = i / kQ4BlockInputs;
    for (int output = 0; output < kQ4TileOutputs; ++output) {
      const int q =
          Nibble(nibbles + block * kQ4TileBlockBytes, output, static_cast<int>(i % kQ4BlockInputs));
      out[strides.offset(i / kQuadInputs) + output * kQuadInputs + i % kQuadInputs] =
          static_cast<std::byte>(q * scales[block * kQ4TileOutputs + output]);
    }
  }
}

#else

using U8 = hn::CappedTag<uint8_t, kQuadBytes>;
using I8 = hn::Repartition<int8_t, U8>;
using U16 = hn::Repartition<uint16_t, U8>;
using I16 = hn::Repartition<int16_t, U8>;
using U32 = hn::Repartition<uint32_t, U8>;
using I32 = hn::Repartition<int32_t, U8>;
using Scales = hn::Rebind<int8_t, I32>;

constexpr int kOutputs = HWY_MIN(HWY_LANES(uint8_t), kQuadBytes) / kQuadInputs;  // of one vector
constexpr int kParts = kQ4TileOutputs / kOutputs;                                // of a tile

#if HWY_TARGET <= HWY_AVX3 && defined(__AVX512VNNI__) && defined(__GFNI__)

// Bit matrices that give the low, or the high, half of each byte with its sign.
HWY_INLINE hn::Vec<I8> LowHalves(hn::Vec<U8> pairs) {
  return {_mm512_gf2p8affine_epi64_epi8(pairs.raw, _mm512_set1_epi64(0x0102040808080808), 0)};
}
HWY_INLINE hn::Vec<I8> HighHalves(hn::Vec<U8> pairs) {
  return {_mm512_gf2p8affine_epi64_epi8(pairs.raw, _mm512_set1_epi64(0x1020408080808080), 0)};
}

using BlockTag = I32;  // in which a block's products add up
HWY_INLINE hn::Vec<I32> AddProducts(hn::Vec<U8> x, hn::Vec<I8> q, hn::Vec<I32> sums) {
  return {_mm512_dpbusd_epi32(sums.raw, x.raw, q.raw)};
}
HWY_INLINE hn::Vec<I32> OutputSums(hn::Vec<I32> sums) { return sums; }

#else

HWY_INLINE hn::Vec<I8> WithSigns(hn::Vec<U8> halves) {
  alignas(16) static constexpr int8_t kSigned[16] = {0,  1,  2,  3,  4,  5,  6,  7,
                                                     -8, -7, -6, -5, -4, -3, -2, -1};
  return hn::TableLookupBytes(hn::LoadDup128(I8(), kSigned), hn::BitCast(I8(), halves));
}
HWY_INLINE hn::Vec<I8> LowHalves(hn::Vec<U8> pairs) {
  return WithSigns(hn::And(pairs, hn::Set(U8(), 0xF)));
}
HWY_INLINE hn::Vec<I8> HighHalves(hn::Vec<U8> pairs) {
  const auto shifted = hn::BitCast(U8(), hn::ShiftRight<4>(hn::BitCast(U16(), pairs)));
  return WithSigns(hn::And(shifted, hn::Set(U8(), 0xF)));
}

// Products of neighbours, added up: at most 2 x 255 x 8.
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
HWY_INLINE hn::Vec<I16> PairProducts(hn::Vec<U8> x, hn::Vec<I8> q) {
  return {_mm512_maddubs_epi16(x.raw, q.raw)};
}
#elif HWY_TARGET == HWY_AVX2
HWY_INLINE hn::Vec<I16> PairProducts(hn::Vec<U8> x, hn::Vec<I8> q) {
  return {_mm256_maddubs_epi16(x.raw, q.raw)};
}
#else
HWY_INLINE hn::Vec<I16> PairProducts(hn::Vec<U8> x, hn::Vec<I8> q) {
  const auto x_pairs = hn::BitCast(U16(), x);
  const auto q_pairs = hn::BitCast(I16(), q);
  const auto x_even = hn::BitCast(I16(), hn::And(x_pairs, hn::Set(U16(), 0xFF)));
  const auto x_odd = hn::BitCast(I16(), hn::ShiftRight<8>(x_pairs));
  const auto q_even = hn::ShiftRight<8>(hn::ShiftLeft<8>(q_pairs));
  return hn::Add(hn::Mul(x_even, q_even), hn::Mul(x_odd, hn::ShiftRight<8>(q_pairs)));
}
#endif

using BlockTag = I16;  // a block's 8 pairs are at most 16 x 255 x 8 = 32,640
HWY_INLINE hn::Vec<I16> AddProducts(hn::Vec<U8> x, hn::Vec<I8> q, hn::Vec<I16> sums) {
  return hn::Add(sums, PairProducts(x, q));
}
HWY_INLINE hn::Vec<I32> OutputSums(hn::Vec<I16> sums) {
  const auto both = hn::BitCast(I32(), sums);
  return hn::Add(hn::ShiftRight<16>(hn::ShiftLeft<16>(both)), hn::ShiftRight<16>(both));
}

#endif  // AVX-512 with VNNI and GFNI

HWY_INLINE hn::Vec<U8> LoadPairs(const std::byte* from) {
  return hn::Load(U8(), reinterpret_cast<const uint8_t*>(from));
}
HWY_INLINE hn::Vec<I32> LoadScales(const int8_t* from) {
  return hn::PromoteTo(I32(), hn::LoadU(Scales(), from));
}
HWY_INLINE hn::Vec<U8> FourInputs(const std::byte* x) {
  return hn::BitCast(U8(), hn::Set(U32(), LoadWord(x)));
}

// Of what lies behind a block.
HWY_INLINE void FetchPagesBehind(const std::byte* nibbles, const int8_t* scales, int64_t block) {
  FetchPageAhead(nibbles + block * kQ4TileBlockBytes, kQ4TileBlockBytes);
  FetchPageAhead(scales + block * kQ4TileOutputs, kQ4TileOutputs);
}

constexpr int kMostRows = 4;  // that share what is unpacked
// Whose lines are fetched meanwhile; behind the last tile nothing comes of it.
constexpr int64_t kBlocksAhead = 12;

// sums: [kRows, 16]
template <int kRows>
HWY_INLINE void MultiplyRows(int64_t blocks, const std::byte* nibbles, const int8_t* scales,
                             const std::byte* x, int64_t x_stride, uint32_t* sums) {
  hn::Vec<I32> totals[kRows][kParts];
  for (auto& of_row : totals) {
    for (auto& total : of_row) total = hn::Zero(I32());
  }
  for (int64_t b = 0; b < blocks; ++b) {
    FetchPagesBehind(nibbles, scales, b);
    for (int v = 0; v < kQuads; ++v) {
      hwy::Prefetch(nibbles + (b + kBlocksAhead) * kQ4TileBlockBytes + v * kQuadBytes);
    }
    for (int part = 0; part < kParts; ++part) {
      hn::Vec<BlockTag> low[kRows];
      hn::Vec<BlockTag> high[kRows];
      for (int row = 0; row < kRows; ++row) low[row] = high[row] = hn::Zero(BlockTag());
      for (int v = 0; v < kQuads; ++v) {
        const std::byte* const from =
            nibbles + b * kQ4TileBlockBytes + v * kQuadBytes + part * kOutputs * kQuadInputs;
        const auto pairs = LoadPairs(from);
        const auto low_q = LowHalves(pairs);
        const auto high_q = HighHalves(pairs);
        for (int row = 0; row < kRows; ++row) {
          const std::byte* const of_row = x + row * x_stride + b * kQ4BlockInputs + v * kQuadInputs;
          low[row] = AddProducts(FourInputs(of_row), low_q, low[row]);
          high[row] = AddProducts(FourInputs(of_row + kHighInputs), high_q, high[row]);
        }
      }
      const auto scale = LoadScales(scales + b * kQ4TileOutputs + part * kOutputs);
      for (int row = 0; row < kRows; ++row) {
        const auto sum = OutputSums(hn::Add(low[row], high[row]));
        totals[row][part] = hn::Add(totals[row][part], hn::Mul(sum, scale));
      }
    }
  }
  for (int row = 0; row < kRows; ++row) {
    for (int part = 0; part < kParts; ++part) {
      hn::StoreU(hn::BitCast(U32(), totals[row][part]), U32(),
                 sums + row * kQ4TileOutputs + part * kOutputs);
    }
  }
}

// q x s, of which the low 8 bits are kept: they hold it. s: in both halves of each lane.
HWY_INLINE hn::Vec<U8> Scaled(hn::Vec<I8> q, hn::Vec<I16> s) {
  const auto pairs = hn::BitCast(I16(), q);
  const auto even = hn::And(hn::Mul(pairs, s), hn::Set(I16(), 0xFF));
  const auto odd = hn::ShiftLeft<8>(hn::Mul(hn::ShiftRight<8>(pairs), s));
  return hn::BitCast(U8(), hn::Or(even, odd));
}

void UnpackTile(int64_t blocks, const std::byte* nibbles, const int8_t* scales,
                const Q4Strides& strides, std::byte* out) {
  auto* const to = reinterpret_cast<uint8_t*>(out);
  for (int64_t b = 0; b < blocks; ++b) {
    FetchPagesBehind(nibbles, scales, b);
    for (int part = 0; part < kParts; ++part) {
      const auto scale = LoadScales(scales + b * kQ4TileOutputs + part * kOutputs);
      const auto low_half = hn::And(scale, hn::Set(I32(), 0xFFFF));
      const auto both = hn::BitCast(I16(), hn::Or(low_half, hn::ShiftLeft<16>(scale)));
      for (int v = 0; v < kQuads; ++v) {
        const int within = part * kOutputs * kQuadInputs;
        const auto pairs = LoadPairs(nibbles + b * kQ4TileBlockBytes + v * kQuadBytes + within);
        uint8_t* const low = to + strides.offset(2 * kQuads * b) + v * strides.row + within;
        hn::StoreU(Scaled(LowHalves(pairs), both), U8(), low);
        hn::StoreU(Scaled(HighHalves(pairs), both), U8(), low + kQuads * strides.row);
      }
    }
  }
}

#endif  // HWY_SCALAR

template <int kRows>
void StoreRows(int64_t blocks, const std::byte* nibbles, const int8_t* scales, const std::byte* x,
               int64_t x_stride, int64_t outputs, int64_t y_stride, int32_t* y) {
  uint32_t sums[kRows * kQ4TileOutputs];
  MultiplyRows<kRows>(blocks, nibbles, scales, x, x_stride, sums);
  for (int row = 0; row < kRows; ++row) {
    std::memcpy(y + row * y_stride, sums + row * kQ4TileOutputs,
                static_cast<size_t>(outputs) * sizeof(*y));
  }
}

void MultiplyTile(int64_t blocks, const std::byte* nibbles, const int8_t* scales, int64_t rows,
                  const std::byte* x, int64_t x_stride, int64_t outputs, int64_t y_stride,
                  int32_t* y) {
  constexpr decltype(&StoreRows<1>) kOfRows[] = {&StoreRows<1>, &StoreRows<HWY_MIN(2, kMostRows)>,
                                                 &StoreRows<HWY_MIN(3, kMostRows)>,
                                                 &StoreRows<HWY_MIN(4, kMostRows)>};
  static_assert(kMostRows <= 4);
  for (int64_t row = 0; row < rows;) {
    const int64_t count = HWY_MIN(rows - row, int64_t{kMostRows});
    kOfRows[count - 1](blocks, nibbles, scales, x + row * x_stride, x_stride, outputs, y_stride,
                       y + row * y_stride);
    row += count;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace plumbline
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plumbline {

HWY_EXPORT(MultiplyTile);
HWY_EXPORT(UnpackTile);

void UnpackQ4Tile(const Q4Matrix& w, int64_t tile, const Q4Strides& strides, std::byte* out) {
  HWY_DYNAMIC_DISPATCH(UnpackTile)
  (Q4Blocks(w.inputs()), w.nibbles(tile), w.scales(tile), strides, out);
}

void MultiplyQ4Tile(const Q4Matrix& w, int64_t tile, int64_t rows, const std::byte* x,
                    int64_t x_stride, int32_t* y) {
  const int64_t first = tile * kQ4TileOutputs;
  const int64_t outputs = std::min<int64_t>(kQ4TileOutputs, w.outputs() - first);
  HWY_DYNAMIC_DISPATCH(MultiplyTile)
  (Q4Blocks(w.inputs()), w.nibbles(tile), w.scales(tile), rows, x, x_stride, outputs, w.outputs(),
   y + first);
}

}  // namespace plumbline
#endif  // HWY_ONCE
