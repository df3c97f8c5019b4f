// Every 16-bit value, and every point where rounding turns from one to the next.
#include "engine/float_convert.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace plumbline::float_convert_test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int kSignBit = 0x8000;

// By the definition: sign, exponent, mantissa as numbers. Neither infinities nor NaN.
double ValueOf(int bits, int mantissa_bits, int bias) {
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const int exponent = (bits & 0x7FFF) >> mantissa_bits;
  const int leading = exponent == 0 ? 0 : 1 << mantissa_bits;
  const double magnitude =
      std::ldexp(leading + mantissa, std::max(exponent, 1) - bias - mantissa_bits);
  return (bits & kSignBit) != 0 ? -magnitude : magnitude;
}

double HalfValue(int bits) { return ValueOf(bits, 10, 15); }
double Bf16Value(int bits) { return ValueOf(bits, 7, 127); }

TEST(F16Test, EveryValueConvertsExactlyAndBack) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const float value = F16ToF32(static_cast<uint16_t>(bits));
    if ((bits & 0x7FFF) > 0x7C00) {
      const auto wide = static_cast<uint32_t>(bits);
      const uint32_t quiet = ((wide & 0x8000U) << 16) | 0x7FC00000U | ((wide & 0x3FFU) << 13);
      ASSERT_EQ(std::bit_cast<uint32_t>(value), quiet) << bits;
      ASSERT_EQ(F32ToF16(value), bits | 0x200) << bits;
      continue;
    }
    if ((bits & 0x7FFF) == 0x7C00) {
      ASSERT_EQ(value, bits == 0x7C00 ? kInfinity : -kInfinity);
    } else {
      ASSERT_EQ(value, HalfValue(bits)) << bits;
    }
    ASSERT_EQ(std::signbit(value), (bits & kSignBit) != 0) << bits;
    ASSERT_EQ(F32ToF16(value), bits);
  }
}

// Between two neighbours: the tie goes to the even one, one float further to the nearer.
TEST(F16Test, RoundsToNearestTiesToEven) {
  for (int bits = 0; bits < 0x7C00; ++bits) {
    // The step to infinity is where 65536 would be.
    const double next = bits == 0x7BFF ? 65536.0 : HalfValue(bits + 1);
    const auto middle = static_cast<float>((HalfValue(bits) + next) / 2);
    ASSERT_EQ(middle, (HalfValue(bits) + next) / 2) << "the middle is a float";
    for (const int sign : {0, kSignBit}) {
      const float s = sign != 0 ? -1.0F : 1.0F;
      ASSERT_EQ(F32ToF16(s * middle), sign | (bits + (bits & 1)));
      ASSERT_EQ(F32ToF16(s * std::nextafter(middle, 0.0F)), sign | bits);
      ASSERT_EQ(F32ToF16(s * std::nextafter(middle, kInfinity)), sign | (bits + 1));
    }
  }
}

TEST(F16Test, ExtremesOfFloat) {
  EXPECT_EQ(F32ToF16(std::numeric_limits<float>::max()), 0x7C00);
  EXPECT_EQ(F32ToF16(-std::numeric_limits<float>::max()), 0xFC00);
  EXPECT_EQ(F32ToF16(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(F32ToF16(-std::numeric_limits<float>::denorm_min()), kSignBit);
  // A NaN whose payload lies below the bits that are kept is still a NaN.
  EXPECT_EQ(F32ToF16(std::bit_cast<float>(0x7F800001U)), 0x7E00);
}

TEST(Bf16Test, EveryValueConvertsExactlyAndBack) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const float value = Bf16ToF32(static_cast<uint16_t>(bits));
    if ((bits & 0x7FFF) > 0x7F80) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_EQ(F32ToBf16(value), bits | 0x40) << bits;
      continue;
    }
    if ((bits & 0x7FFF) == 0x7F80) {
      ASSERT_EQ(value, bits == 0x7F80 ? kInfinity : -kInfinity);
    } else {
      ASSERT_EQ(value, Bf16Value(bits)) << bits;
    }
    ASSERT_EQ(std::signbit(value), (bits & kSignBit) != 0) << bits;
    ASSERT_EQ(F32ToBf16(value), bits);
  }
}

TEST(Bf16Test, RoundsToNearestTiesToEven) {
  for (int bits = 0; bits < 0x7F80; ++bits) {
    const double next = bits == 0x7F7F ? std::ldexp(1.0, 128) : Bf16Value(bits + 1);
    const auto middle = static_cast<float>((Bf16Value(bits) + next) / 2);
    ASSERT_EQ(middle, (Bf16Value(bits) + next) / 2) << "the middle is a float";
    for (const int sign : {0, kSignBit}) {
      const float s = sign != 0 ? -1.0F : 1.0F;
      ASSERT_EQ(F32ToBf16(s * middle), sign | (bits + (bits & 1)));
      ASSERT_EQ(F32ToBf16(s * std::nextafter(middle, 0.0F)), sign | bits);
      ASSERT_EQ(F32ToBf16(s * std::nextafter(middle, kInfinity)), sign | (bits + 1));
    }
  }
}

TEST(Bf16Test, NanStaysNan) {
  EXPECT_EQ(F32ToBf16(std::bit_cast<float>(0x7F800001U)), 0x7FC0);
  EXPECT_EQ(F32ToBf16(std::bit_cast<float>(0xFFFFFFFFU)), 0xFFFF);
}

}  // namespace
}  // namespace plumbline::float_convert_test
