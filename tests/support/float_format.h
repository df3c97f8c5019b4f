// The 16-bit formats by their definition (IEEE 754 binary16, and bfloat16: binary32 with a
// significand cut to 8 bits), in double arithmetic: written apart from the engine's bit tricks,
// which are held against it.
#ifndef PLUMBLINE_TESTS_SUPPORT_FLOAT_FORMAT_H_
#define PLUMBLINE_TESTS_SUPPORT_FLOAT_FORMAT_H_

#include <cstdint>

#include "cache/kv_geometry.h"

namespace plumbline {

struct FloatFormat {
  int exponent_bits = 0;
  int significand_bits = 0;  // the leading one included

  int Bias() const { return (1 << (exponent_bits - 1)) - 1; }
};

inline constexpr FloatFormat kF16Format = {5, 11};
inline constexpr FloatFormat kBf16Format = {8, 8};
inline constexpr FloatFormat kF32Format = {8, 24};

FloatFormat FormatOf(KvDtype dtype);

// The value of a pattern of a 16-bit format.
double ValueOfBits(const FloatFormat& format, uint16_t bits);

// The nearest number of the format, ties to even; infinity from half a step beyond the largest on.
// NaN stays NaN.
double RoundToFormat(const FloatFormat& format, double x);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_FLOAT_FORMAT_H_
