#include "tests/support/float_format.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace plumbline {

FloatFormat FormatOf(KvDtype dtype) {
  switch (dtype) {
    case KvDtype::kF32:
      return kF32Format;
    case KvDtype::kF16:
      return kF16Format;
    case KvDtype::kBf16:
      return kBf16Format;
    case KvDtype::kInt8:  // no floats; its scales are
      break;
  }
  return kF32Format;
}

double ValueOfBits(const FloatFormat& format, uint16_t bits) {
  const int fraction_bits = format.significand_bits - 1;
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const int top = (1 << format.exponent_bits) - 1;
  const int exponent = (bits >> fraction_bits) & top;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == top) {
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  }
  const int significand = exponent == 0 ? fraction : fraction + (1 << fraction_bits);
  const int power = std::max(exponent, 1) - format.Bias() - fraction_bits;
  return sign * std::ldexp(significand, power);
}

double RoundToFormat(const FloatFormat& format, double x) {
  if (!std::isfinite(x) || x == 0) return x;
  const int exponent = std::max(std::ilogb(x), 1 - format.Bias());
  const double step = std::ldexp(1.0, exponent - (format.significand_bits - 1));
  const double rounded = std::nearbyint(x / step) * step;  // ties to even; both sides exact
  const double beyond = std::ldexp(1.0, format.Bias() + 1);
  if (std::abs(rounded) < beyond) return rounded;
  return std::copysign(std::numeric_limits<double>::infinity(), x);
}

}  // namespace plumbline
