// Element types of GGUF: each conversion against a plain one written here from the format.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "engine/gguf.h"
#include "engine/gguf_writer.h"
#include "gtest/gtest.h"

namespace plumbline::quantize_test {
namespace {

constexpr uint32_t kSeed = 7;
constexpr TensorType kAllTypes[] = {TensorType::kF32, TensorType::kF16, TensorType::kQ4_0,
                                    TensorType::kQ8_0, TensorType::kBf16};

std::vector<std::byte> Quantize(TensorType type, const std::vector<float>& values) {
  const auto elements = static_cast<int64_t>(values.size());
  std::vector<std::byte> bytes(
      static_cast<size_t>(elements / TensorTypeBlockElements(type) * TensorTypeBlockBytes(type)));
  QuantizeRow(type, values.data(), elements, bytes.data());
  return bytes;
}

std::vector<float> Dequantize(TensorType type, const std::vector<std::byte>& bytes) {
  const int64_t elements = static_cast<int64_t>(bytes.size()) / TensorTypeBlockBytes(type) *
                           TensorTypeBlockElements(type);
  std::vector<float> values(static_cast<size_t>(elements));
  DequantizeRow(type, bytes.data(), elements, values.data());
  return values;
}

int Byte(const std::vector<std::byte>& bytes, size_t at) { return std::to_integer<int>(bytes[at]); }

// A finite half by its definition.
double HalfAt(const std::vector<std::byte>& bytes, size_t at) {
  const int bits = Byte(bytes, at) | (Byte(bytes, at + 1) << 8);
  const int exponent = (bits >> 10) & 31;
  const int mantissa = (bits & 1023) + (exponent == 0 ? 0 : 1024);
  const double value = std::ldexp(mantissa, std::max(exponent, 1) - 25);
  return (bits & 0x8000) != 0 ? -value : value;
}

// Random blocks whose scales (the first two bytes) are finite.
std::vector<std::byte> RandomBlocks(size_t blocks, size_t block_bytes) {
  std::mt19937 random(kSeed);
  std::vector<std::byte> bytes(blocks * block_bytes);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (size_t i = 0; i < blocks; ++i) bytes[i * block_bytes + 1] &= std::byte{0xBF};
  return bytes;
}

TEST(TensorTypeTest, NamesAndSizes) {
  EXPECT_EQ(TensorTypeName(TensorType::kF32), "F32");
  EXPECT_EQ(TensorTypeName(TensorType::kF16), "F16");
  EXPECT_EQ(TensorTypeName(TensorType::kBf16), "BF16");
  EXPECT_EQ(TensorTypeName(TensorType::kQ8_0), "Q8_0");
  EXPECT_EQ(TensorTypeName(TensorType::kQ4_0), "Q4_0");
  const int elements[] = {1, 1, 32, 32, 1};
  const int bytes[] = {4, 2, 18, 34, 2};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(TensorTypeBlockElements(kAllTypes[i]), elements[i]);
    EXPECT_EQ(TensorTypeBlockBytes(kAllTypes[i]), bytes[i]);
  }
}

TEST(DequantizeTest, Q8BlocksFollowTheFormat) {
  constexpr size_t kBlocks = 500;
  const std::vector<std::byte> bytes = RandomBlocks(kBlocks, 34);
  const std::vector<float> values = Dequantize(TensorType::kQ8_0, bytes);
  ASSERT_EQ(values.size(), kBlocks * 32);
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t block = i / 32 * 34;
    const int unsigned_quant = Byte(bytes, block + 2 + i % 32);
    const int quant = unsigned_quant > 127 ? unsigned_quant - 256 : unsigned_quant;
    // 11 bits times 8 bits: exact in a float.
    ASSERT_EQ(values[i], HalfAt(bytes, block) * quant) << "seed " << kSeed << " element " << i;
  }
}

TEST(DequantizeTest, Q4BlocksFollowTheFormat) {
  constexpr size_t kBlocks = 500;
  const std::vector<std::byte> bytes = RandomBlocks(kBlocks, 18);
  const std::vector<float> values = Dequantize(TensorType::kQ4_0, bytes);
  ASSERT_EQ(values.size(), kBlocks * 32);
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t block = i / 32 * 18;
    const int pair = Byte(bytes, block + 2 + i % 16);
    const int quant = i % 32 < 16 ? pair % 16 : pair / 16;
    ASSERT_EQ(values[i], HalfAt(bytes, block) * (quant - 8)) << "seed " << kSeed << " at " << i;
  }
}

TEST(DequantizeTest, SixteenBitRowsFollowTheScalarConversions) {
  const std::vector<std::byte> bytes = RandomBlocks(1000, 2);
  const std::vector<float> halves = Dequantize(TensorType::kF16, bytes);
  const std::vector<float> bf16s = Dequantize(TensorType::kBf16, bytes);
  for (size_t i = 0; i < halves.size(); ++i) {
    ASSERT_EQ(halves[i], HalfAt(bytes, 2 * i));
    const auto bits = static_cast<uint32_t>(Byte(bytes, 2 * i) | (Byte(bytes, 2 * i + 1) << 8));
    const uint32_t wide = bits << 16;
    ASSERT_EQ(std::bit_cast<uint32_t>(bf16s[i]), wide);
  }
}

TEST(DequantizeTest, F32KeepsEveryBit) {
  const std::vector<std::byte> bytes = RandomBlocks(100, 4);
  const std::vector<float> values = Dequantize(TensorType::kF32, bytes);
  EXPECT_EQ(std::memcmp(values.data(), bytes.data(), bytes.size()), 0);
}

TEST(DequantizeTest, NoElementsTouchNothing) {
  float untouched = 3.0F;
  for (const TensorType type : kAllTypes) DequantizeRow(type, nullptr, 0, &untouched);
  EXPECT_EQ(untouched, 3.0F);
}

TEST(QuantizeTest, Q4BytesOfAKnownBlock) {
  std::vector<float> values(32);
  for (int i = 0; i < 32; ++i) values[i] = static_cast<float>(i % 16 - 8);  // extreme -8: scale 1
  const std::vector<std::byte> bytes = Quantize(TensorType::kQ4_0, values);
  EXPECT_EQ(HalfAt(bytes, 0), 1.0);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(Byte(bytes, 2 + i), i | (i << 4));
}

TEST(QuantizeTest, Q4ScaleTakesTheSignOfTheExtreme) {
  std::vector<float> values(32, 0.0F);
  values[0] = 8.0F;    // the extreme: scale -1, quant 0
  values[17] = -8.0F;  // as large but later: would be 16, held at 15
  const std::vector<std::byte> bytes = Quantize(TensorType::kQ4_0, values);
  EXPECT_EQ(HalfAt(bytes, 0), -1.0);
  EXPECT_EQ(Byte(bytes, 2), 0x80);
  EXPECT_EQ(Byte(bytes, 3), 0xF8);
  for (size_t i = 4; i < 18; ++i) EXPECT_EQ(Byte(bytes, i), 0x88);
}

TEST(QuantizeTest, Q8BytesOfAKnownBlock) {
  std::vector<float> values(32, 0.0F);
  values[0] = -127.0F * 0.25F;
  values[1] = 0.25F * 2.5F;  // half-way: away from zero
  values[2] = 0.25F * -2.5F;
  values[31] = 0.25F * 3.4F;
  const std::vector<std::byte> bytes = Quantize(TensorType::kQ8_0, values);
  EXPECT_EQ(HalfAt(bytes, 0), 0.25);
  EXPECT_EQ(Byte(bytes, 2), 256 - 127);
  EXPECT_EQ(Byte(bytes, 3), 3);
  EXPECT_EQ(Byte(bytes, 4), 256 - 3);
  EXPECT_EQ(Byte(bytes, 33), 3);
}

TEST(QuantizeTest, ZerosAndTinyValuesComeBackAsZeros) {
  for (const TensorType type : {TensorType::kQ4_0, TensorType::kQ8_0}) {
    for (const float value : {0.0F, 1e-40F, std::numeric_limits<float>::denorm_min(), 1e-12F}) {
      for (const float back : Dequantize(type, Quantize(type, std::vector<float>(32, value)))) {
        ASSERT_EQ(back, 0.0F) << TensorTypeName(type) << " of " << value;
      }
    }
  }
}

// What each type may lose, from its own rules. `extreme`: the block's largest magnitude.
double ErrorBound(TensorType type, double value, double extreme) {
  constexpr double kHalfUnit = 0x1p-11;        // relative error of rounding to F16
  constexpr double kFloatUnits = 8 * 0x1p-24;  // of the few float operations on the way
  switch (type) {
    case TensorType::kF32:
      return 0.0;
    case TensorType::kF16:
      return std::abs(value) * kHalfUnit + 0x1p-25;
    case TensorType::kBf16:
      return std::abs(value) * 0x1p-8;
    case TensorType::kQ8_0:  // half a step, plus the scale's rounding and underflow times 127
      return extreme * (0.5 / 127 + kHalfUnit + kFloatUnits) + 127 * 0x1p-25;
    case TensorType::kQ4_0:  // +8 is held at +7: a whole step
      return extreme * (1.0 / 8 + kHalfUnit + kFloatUnits) + 8 * 0x1p-25;
  }
  return 0.0;
}

TEST(QuantizeTest, RoundTripsStayWithinEachTypesBound) {
  std::mt19937 random(kSeed);
  std::normal_distribution<float> normal(0.0F, 1.0F);
  for (const TensorType type : kAllTypes) {
    for (int block = 0; block < 300; ++block) {
      const float scale = std::ldexp(1.0F, static_cast<int>(random() % 30) - 20);
      std::vector<float> values(32);
      double extreme = 0.0;
      for (float& value : values) {
        value = normal(random) * scale;
        extreme = std::max(extreme, static_cast<double>(std::abs(value)));
      }
      const std::vector<float> back = Dequantize(type, Quantize(type, values));
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_LE(std::abs(static_cast<double>(values[i]) - back[i]),
                  ErrorBound(type, values[i], extreme))
            << TensorTypeName(type) << " seed " << kSeed << " value " << values[i];
      }
    }
  }
}

// Not meaningful, but defined: UBSan must have nothing to say.
TEST(QuantizeTest, InfinitiesAndNanGiveSomeBlock) {
  for (const TensorType type : kAllTypes) {
    for (const float value :
         {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(),
          std::numeric_limits<float>::max()}) {
      std::vector<float> values(32, 1.0F);
      values[5] = value;
      const std::vector<float> back = Dequantize(type, Quantize(type, values));
      if (TensorTypeBlockElements(type) == 1) {
        EXPECT_EQ(std::isnan(back[5]), std::isnan(value));
        EXPECT_EQ(back[4], 1.0F);
      } else {
        EXPECT_EQ(back.size(), values.size());
      }
    }
  }
}

}  // namespace
}  // namespace plumbline::quantize_test
