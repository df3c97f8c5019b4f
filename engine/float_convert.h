// Conversions between float and the two 16-bit formats, exact to the bit on every CPU: they use
// integer arithmetic alone, so neither the rounding mode nor the instruction set matters, and
// subnormals are kept. Results equal those of the F16C and AVX512_BF16 instructions, except that
// the latter flush subnormals. All functions are pure.
#ifndef PLUMBLINE_ENGINE_FLOAT_CONVERT_H_
#define PLUMBLINE_ENGINE_FLOAT_CONVERT_H_

#include <bit>
#include <cstdint>

namespace plumbline {

// Exact for every value. A NaN keeps its sign and payload and becomes quiet. Without branches, so
// that compilers turn loops over it into vector code.
inline float F16ToF32(uint16_t half) {
  constexpr uint32_t kBias = (127U - 15U) << 23;  // what float's exponents are larger by
  const uint32_t sign = (half & 0x8000U) << 16;
  const uint32_t magnitude = half & 0x7FFFU;
  const uint32_t normal = (magnitude << 13) + kBias;
  // An integer times 2^-24, which float holds exactly.
  const auto subnormal =
      std::bit_cast<uint32_t>(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24F);
  const uint32_t quiet = magnitude > 0x7C00U ? 0x400000U : 0U;
  const uint32_t special = (normal + kBias) | quiet;  // infinities and NaN
  const uint32_t other = magnitude < 0x7C00U ? normal : special;
  // A mask, not a choice: compilers would turn a choice with a float product on one side into a
  // branch.
  const uint32_t is_subnormal = 0U - static_cast<uint32_t>(magnitude < 0x400U);
  return std::bit_cast<float>(sign | (subnormal & is_subnormal) | (other & ~is_subnormal));
}

// Rounds to nearest, ties to even; beyond the largest half (65504) by half a unit or more gives
// infinity. A NaN keeps its sign and the top of its payload and becomes quiet.
inline uint16_t F32ToF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000U;
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  uint32_t half = 0;
  if (magnitude > 0x7F800000U) {  // NaN
    half = 0x7E00U | ((magnitude >> 13) & 0x3FFU);
  } else if (magnitude >= 0x477FF000U) {  // 65520: half-way from 65504 to 65536
    half = 0x7C00U;
  } else if (magnitude >= 0x38800000U) {  // 2^-14: normal; a carry runs into the exponent rightly
    const uint32_t odd = (magnitude >> 13) & 1U;
    half = (magnitude - (112U << 23) + 0xFFFU + odd) >> 13;
  } else if (magnitude > 0x33000000U) {  // 2^-25: the tie between 0 and the least subnormal
    const uint32_t mantissa = (magnitude & 0x7FFFFFU) | 0x800000U;
    const uint32_t shift = 126U - (magnitude >> 23);  // 14 to 24: in units of 2^-24
    const uint32_t odd = (mantissa >> shift) & 1U;
    half = (mantissa + (1U << (shift - 1)) - 1U + odd) >> shift;
  }
  return static_cast<uint16_t>(sign | half);
}

// Exact for every value; bits are kept, also those of a signalling NaN.
inline float Bf16ToF32(uint16_t value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}

// Rounds to nearest, ties to even. A NaN keeps its sign and the top of its payload and becomes
// quiet.
inline uint16_t F32ToBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  const uint32_t odd = (bits >> 16) & 1U;
  return static_cast<uint16_t>((bits + 0x7FFFU + odd) >> 16);
}

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_FLOAT_CONVERT_H_
