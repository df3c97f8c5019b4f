// Conversions of stored keys and values against the formats' definition, exhaustively.
#include "engine/kv_convert.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "tests/support/float_format.h"

namespace plumbline::kv_convert_test {
namespace {

constexpr int kPatterns = 1 << 16;

std::vector<uint16_t> AllPatterns() {
  std::vector<uint16_t> patterns(kPatterns);
  for (int i = 0; i < kPatterns; ++i) patterns[static_cast<size_t>(i)] = static_cast<uint16_t>(i);
  return patterns;
}

std::vector<float> Widened(KvDtype dtype, const std::vector<uint16_t>& bits) {
  std::vector<float> out(bits.size());
  WidenToF32(dtype, reinterpret_cast<const std::byte*>(bits.data()), static_cast<int>(bits.size()),
             out.data());
  return out;
}

std::vector<uint16_t> Narrowed(KvDtype dtype, absl::Span<const float> values) {
  std::vector<uint16_t> out(values.size());
  NarrowFromF32(dtype, values.data(), static_cast<int>(values.size()),
                reinterpret_cast<std::byte*>(out.data()));
  return out;
}

// Equal values with equal signs; NaN equals NaN.
bool Same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b && std::signbit(a) == std::signbit(b);
}

class KvConvertTest : public testing::TestWithParam<KvDtype> {};

TEST_P(KvConvertTest, WidensEveryPatternExactly) {
  const std::vector<uint16_t> patterns = AllPatterns();
  const std::vector<float> values = Widened(GetParam(), patterns);
  for (size_t i = 0; i < patterns.size(); ++i) {
    ASSERT_TRUE(Same(values[i], ValueOfBits(FormatOf(GetParam()), patterns[i])))
        << patterns[i] << " gives " << values[i];
  }
}

TEST_P(KvConvertTest, NarrowsEveryWidenedPatternBack) {
  const std::vector<uint16_t> patterns = AllPatterns();
  const std::vector<float> values = Widened(GetParam(), patterns);
  const std::vector<uint16_t> back = Narrowed(GetParam(), values);
  for (size_t i = 0; i < patterns.size(); ++i) {
    if (std::isnan(values[i])) {
      ASSERT_TRUE(std::isnan(ValueOfBits(FormatOf(GetParam()), back[i]))) << patterns[i];
    } else {
      ASSERT_EQ(back[i], patterns[i]);
    }
  }
}

// Around every number of the format: the number, the tie to its neighbour, and the floats on
// either side of both.
TEST_P(KvConvertTest, NarrowsToNearestEvenAroundEveryNumber) {
  const FloatFormat format = FormatOf(GetParam());
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> inputs;
  for (int i = 0; i < kPatterns - 1; ++i) {
    const double value = ValueOfBits(format, static_cast<uint16_t>(i));
    if (!std::isfinite(value)) continue;
    const double next = ValueOfBits(format, static_cast<uint16_t>(i + 1));
    // Behind the largest number the tie lies as far off as before it.
    const double before = i % 0x8000 == 0 ? 0 : ValueOfBits(format, static_cast<uint16_t>(i - 1));
    const double tie = std::isfinite(next) ? (value + next) / 2 : value + (value - before) / 2;
    for (const double x : {value, tie}) {
      const auto middle = static_cast<float>(x);
      inputs.push_back(middle);
      inputs.push_back(std::nextafterf(middle, kInfinity));
      inputs.push_back(std::nextafterf(middle, -kInfinity));
    }
  }
  const std::vector<uint16_t> narrowed = Narrowed(GetParam(), inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_TRUE(Same(ValueOfBits(format, narrowed[i]), RoundToFormat(format, inputs[i])))
        << inputs[i] << " gives " << narrowed[i];
  }
}

TEST_P(KvConvertTest, NarrowsTheSpecials) {
  constexpr float kMax = std::numeric_limits<float>::max();
  constexpr float kTiny = std::numeric_limits<float>::denorm_min();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const FloatFormat format = FormatOf(GetParam());
  const std::vector<float> inputs = {0.0F,
                                     -0.0F,
                                     kMax,
                                     -kMax,
                                     kTiny,
                                     -kTiny,
                                     kInfinity,
                                     -kInfinity,
                                     std::numeric_limits<float>::quiet_NaN(),
                                     std::numeric_limits<float>::signaling_NaN()};
  const std::vector<uint16_t> narrowed = Narrowed(GetParam(), inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_TRUE(Same(ValueOfBits(format, narrowed[i]), RoundToFormat(format, inputs[i])))
        << inputs[i] << " gives " << narrowed[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, KvConvertTest, testing::Values(KvDtype::kF16, KvDtype::kBf16),
                         [](const auto& test) { return std::string(KvDtypeName(test.param)); });

// Any length and start: each element as it is alone, and no byte beyond.
class KvConvertLengthTest : public testing::TestWithParam<KvDtype> {};

TEST_P(KvConvertLengthTest, EveryLengthAndStartWritesItsElementsAlone) {
  const KvDtype dtype = GetParam();
  const auto bytes = static_cast<size_t>(KvDtypeBytes(dtype));
  constexpr size_t kGuard = 40;
  std::mt19937_64 random(4);
  std::normal_distribution<float> normal;
  for (size_t length = 1; length <= 40; ++length) {
    for (size_t start = 0; start < 3; ++start) {
      // Exactly as long as needed: a read beyond is seen by AddressSanitizer.
      std::vector<float> from(start + length);
      for (float& value : from) value = normal(random);
      std::vector<std::byte> narrow((start + length + kGuard) * bytes, std::byte{0xFF});
      NarrowFromF32(dtype, from.data() + start, static_cast<int>(length),
                    narrow.data() + start * bytes);
      const std::vector<std::byte> stored(
          narrow.begin() + static_cast<ptrdiff_t>(start * bytes),
          narrow.begin() + static_cast<ptrdiff_t>((start + length) * bytes));
      std::vector<float> wide(length + kGuard, -7.0F);
      WidenToF32(dtype, stored.data(), static_cast<int>(length), wide.data());
      for (size_t i = 0; i < length; ++i) {
        ASSERT_EQ(wide[i], RoundToFormat(FormatOf(dtype), from[start + i])) << length;
      }
      for (size_t i = length; i < wide.size(); ++i) ASSERT_EQ(wide[i], -7.0F) << length;
      for (size_t i = 0; i < narrow.size(); ++i) {
        if (i >= start * bytes && i < (start + length) * bytes) continue;
        ASSERT_EQ(narrow[i], std::byte{0xFF}) << length;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, KvConvertLengthTest,
                         testing::Values(KvDtype::kF32, KvDtype::kF16, KvDtype::kBf16),
                         [](const auto& test) { return std::string(KvDtypeName(test.param)); });

// Rows of 8 bits, each element by the definition: a multiple of the scale, the nearest, ties to
// even.
TEST(KvConvertInt8, EveryLengthAndStartWritesItsElementsAlone) {
  constexpr size_t kGuard = 20;
  std::mt19937 random(6);
  std::normal_distribution<float> normal;
  for (size_t length = 1; length <= 70; ++length) {
    for (const size_t start : {0, 1, 3}) {
      std::vector<float> from(start + length);
      for (float& value : from) value = normal(random);
      float most = 0;
      for (size_t i = start; i < from.size(); ++i) most = std::max(most, std::abs(from[i]));
      const auto count = static_cast<int>(length);
      const float scale = Int8Scale(from.data() + start, count);
      ASSERT_EQ(scale, most / 127) << length;
      std::vector<std::byte> narrow(start + length + kGuard, std::byte{0x55});
      NarrowToInt8(from.data() + start, count, scale, narrow.data() + start);
      std::vector<float> wide(length + kGuard, -7.0F);
      WidenToF32(KvDtype::kInt8, narrow.data() + start, count, wide.data());
      for (size_t i = 0; i < length; ++i) {
        ASSERT_EQ(wide[i], std::nearbyint(from[start + i] / scale)) << length;
      }
      for (size_t i = length; i < wide.size(); ++i) ASSERT_EQ(wide[i], -7.0F) << length;
      for (size_t i = 0; i < narrow.size(); ++i) {
        if (i >= start && i < start + length) continue;
        ASSERT_EQ(narrow[i], std::byte{0x55}) << length;
      }
    }
  }
}

TEST(KvConvertInt8, TheScaleTellsOfNumbersThatAreNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
    for (size_t at = 0; at < 40; ++at) {
      std::vector<float> row(40, 1.0F);
      row[at] = bad;
      EXPECT_TRUE(std::isnan(Int8Scale(row.data(), 40))) << bad << " at " << at;
    }
  }
}

TEST(KvConvertInt8, ZerosAndWhatIsNearThemAreZero) {
  for (const float tiny :
       {0.0F, -0.0F, std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::min()}) {
    const std::vector<float> row(17, tiny);
    EXPECT_EQ(Int8Scale(row.data(), 17), 0.0F) << tiny;
    std::vector<std::byte> narrow(row.size(), std::byte{1});
    NarrowToInt8(row.data(), 17, 0.0F, narrow.data());
    for (const std::byte element : narrow) EXPECT_EQ(element, std::byte{0});
  }
  // The largest row there is: its scale neither overflows nor does its largest element.
  const std::vector<float> large(17, std::numeric_limits<float>::max());
  const float scale = Int8Scale(large.data(), 17);
  std::vector<std::byte> narrow(large.size());
  NarrowToInt8(large.data(), 17, scale, narrow.data());
  for (const std::byte element : narrow) EXPECT_EQ(element, std::byte{127});
}

}  // namespace
}  // namespace plumbline::kv_convert_test
