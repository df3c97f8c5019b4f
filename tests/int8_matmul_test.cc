// int8 products against sums in 64 bits: equal to the bit, on every instruction set.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/int8_rows.h"
#include "engine/matmul.h"
#include "gtest/gtest.h"
#include "hwy/targets.h"
#include "tests/support/every_target.h"
#include "tests/support/matmul_fixture.h"
#include "tests/support/result_blocks.h"

namespace plumbline::int8_matmul_test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What the integers look like before they are scaled.
enum class Values : uint8_t { kAnything, kAllMost, kAllLeast, kMostOrLeast };

std::vector<int> Numbers(int64_t count, Values values, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int> numbers(static_cast<size_t>(count));
  for (int& number : numbers) {
    const auto drawn = random();
    switch (values) {
      case Values::kAnything:
        number = static_cast<int>(drawn % 255) - kInt8Most;
        break;
      case Values::kAllMost:
        number = kInt8Most;
        break;
      case Values::kAllLeast:
        number = -kInt8Most;
        break;
      case Values::kMostOrLeast:
        number = drawn % 2 == 0 ? kInt8Most : -kInt8Most;
        break;
    }
  }
  return numbers;
}

struct Product {
  int64_t outputs;
  int64_t inputs;
  std::vector<int> w;         // [outputs, inputs]
  std::vector<int> x;         // [rows, inputs]
  std::vector<std::byte> x8;  // the same as the matrix takes them
};

Product MakeProduct(int64_t outputs, int64_t inputs, int64_t rows, Values w, Values x) {
  Product p = {outputs, inputs, Numbers(outputs * inputs, w, 1), Numbers(rows * inputs, x, 2), {}};
  // Every row's magnitude is 127, so that the scale is exactly what its unit is.
  for (int64_t output = 0; output < outputs; ++output) p.w[output * inputs] = kInt8Most;
  for (const int value : p.x) p.x8.push_back(static_cast<std::byte>(value + kInt8Zero));
  return p;
}

// A power of two, so that the quantised weights are the numbers themselves.
float Unit(int64_t output) { return std::ldexp(1.0F, static_cast<int>(output % 5) - 7); }
float RowScale(int64_t row) { return 0.01F * static_cast<float>(row + 1); }

absl::StatusOr<std::unique_ptr<PackedMatrix>> Pack(MatmulContext& context, const Product& p) {
  return PackedMatrix::Create(context, p.outputs, p.inputs, WeightDtype::kInt8,
                              [&](int64_t row, int64_t num_rows, float* out) {
                                for (int64_t i = 0; i < num_rows * p.inputs; ++i) {
                                  out[i] = static_cast<float>(p.w[row * p.inputs + i]) *
                                           Unit(row + i / p.inputs);
                                }
                                return absl::OkStatus();
                              });
}

void ExpectExact(PackedMatrix& matrix, const Product& p, int64_t rows, int64_t step = 1) {
  std::vector<float> y(static_cast<size_t>(rows * p.outputs), kNaN);
  std::vector<float> scales;
  for (int64_t row = 0; row < rows; ++row) scales.push_back(RowScale(row));
  EXPECT_EQ(MultiplyInto(matrix, rows, p.x8.data(), scales, y.data()), rows);
  for (int64_t row = 0; row < rows; row += step) {
    for (int64_t output = 0; output < p.outputs; ++output) {
      int64_t sum = 0;
      for (int64_t i = 0; i < p.inputs; ++i) {
        sum += int64_t{1} * p.x[row * p.inputs + i] * p.w[output * p.inputs + i];
      }
      const float expected = static_cast<float>(sum) * RowScale(row) * Unit(output);
      ASSERT_EQ(y[row * p.outputs + output], expected)
          << "[" << p.outputs << ", " << p.inputs << "], row " << row << " of " << rows
          << ", output " << output << " as " << matrix.implementation();
    }
  }
}

class Int8MatmulTest : public MatmulThreadsTest {};

TEST_P(Int8MatmulTest, IsExactForEveryNumberOfRows) {
  for (const auto& [outputs, inputs] :
       {std::pair(1, 1), std::pair(3, 17), std::pair(65, 64), std::pair(37, 129),
        std::pair(64, 172), std::pair(48, 511)}) {
    const Product p = MakeProduct(outputs, inputs, 545, Values::kAnything, Values::kAnything);
    auto matrix = Pack(*context_, p);
    ASSERT_TRUE(matrix.ok()) << matrix.status();
    EXPECT_TRUE((*matrix)->rows_independent());
    EXPECT_EQ((*matrix)->element_bytes_read(), outputs * inputs);
    EXPECT_EQ((*matrix)->channel_bytes(), 8 * outputs);
    EXPECT_GE((*matrix)->packed_bytes(), outputs * (inputs + 8));
    for (const int64_t rows : {1, 2, 15, 31, 32, 33, 63, 65}) ExpectExact(**matrix, p, rows);
    for (const int64_t rows : {512, 513, 545}) ExpectExact(**matrix, p, rows, 13);
  }
}

// Pairs of products add up to 2 x 255 x 127: more than 16 bits hold.
TEST_P(Int8MatmulTest, IsExactForTheLargestNumbers) {
  for (const auto& [w, x] : {std::pair(Values::kAllMost, Values::kAllMost),
                             std::pair(Values::kAllLeast, Values::kAllMost),
                             std::pair(Values::kAllMost, Values::kAllLeast),
                             std::pair(Values::kAllLeast, Values::kAllLeast),
                             std::pair(Values::kMostOrLeast, Values::kMostOrLeast)}) {
    for (const auto& [outputs, inputs] : {std::pair(33, 1001), std::pair(16, 4096)}) {
      const Product p = MakeProduct(outputs, inputs, 65, w, x);
      auto matrix = Pack(*context_, p);
      ASSERT_TRUE(matrix.ok()) << matrix.status();
      for (const int64_t rows : {1, 31, 32, 65}) ExpectExact(**matrix, p, rows, 5);
    }
  }
}

// Sums up to the last that fit 31 bits, odd ones: nothing may pass through f32 on its way.
TEST_P(Int8MatmulTest, IsExactForTheLongestRows) {
  for (const Values x : {Values::kAllMost, Values::kAllLeast}) {
    const Product p = MakeProduct(3, kInt8MostInputs - 1, 33, Values::kAllMost, x);
    auto matrix = Pack(*context_, p);
    ASSERT_TRUE(matrix.ok()) << matrix.status();
    for (const int64_t rows : {1, 33}) ExpectExact(**matrix, p, rows, 32);
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, Int8MatmulTest, testing::Values(1, 2));

TEST(Int8MatmulLimitTest, RefusesRowsWhoseSumsCouldOverflow) {
  EXPECT_LT(kInt8MostInputs * kInt8Most * kInt8Most, std::numeric_limits<int32_t>::max());
  auto context = MatmulContext::Create(1);
  ASSERT_TRUE(context.ok());
  const auto matrix = PackedMatrix::Create(**context, 1, kInt8MostInputs + 1, WeightDtype::kInt8,
                                           [](int64_t, int64_t, float*) {
                                             ADD_FAILURE() << "nothing is to be read";
                                             return absl::OkStatus();
                                           });
  EXPECT_EQ(matrix.status().code(), absl::StatusCode::kInvalidArgument) << matrix.status();
}

// The rows' own arithmetic, on every instruction set that was compiled in and runs here.
class Int8RowsTest : public EveryTargetTest {};

struct Quantized {
  std::vector<int> values;
  float scale = kNaN;
};

Quantized Quantize(const std::vector<float>& x) {
  constexpr std::byte kGuard{0x55};
  std::vector<std::byte> out(x.size() + 64, kGuard);
  Quantized q;
  QuantizeRow(static_cast<int>(x.size()), x.data(), out.data(), &q.scale);
  for (size_t i = 0; i < x.size(); ++i) {
    q.values.push_back(std::to_integer<int>(out[i]) - kInt8Zero);
  }
  for (size_t i = x.size(); i < out.size(); ++i) EXPECT_EQ(out[i], kGuard) << "beyond the row";
  return q;
}

TEST_P(Int8RowsTest, RoundToNearestEvenOfEveryWidth) {
  for (size_t width = 1; width <= 70; ++width) {
    std::vector<float> x;
    std::vector<int> expected;
    for (size_t i = 0; i < width; ++i) {
      // Halves: 0.5, -1.5, 2.5, ... of a unit of 2; the largest, 254, comes last.
      const int half = static_cast<int>(i * 5 % 100);
      x.push_back(static_cast<float>(i % 2 == 0 ? 2 * half + 1 : -(2 * half + 1)));
      const int even = half % 2 == 0 ? half : half + 1;
      expected.push_back(i % 2 == 0 ? even : -even);
    }
    x.back() = -254;
    expected.back() = -kInt8Most;
    const Quantized q = Quantize(x);
    EXPECT_EQ(q.scale, 2.0F);
    EXPECT_EQ(q.values, expected) << "width " << width;
  }
}

TEST_P(Int8RowsTest, LieWithinHalfAScaleOfTheirRow) {
  std::mt19937_64 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> x(1001);
  for (float& value : x) value = normal(random);
  const Quantized q = Quantize(x);
  for (size_t i = 0; i < x.size(); ++i) {
    // The factor's rounding moves a quotient of 127 by 127 units of 2^-23 at most.
    EXPECT_LE(std::abs(x[i] / q.scale - static_cast<float>(q.values[i])), 0.5 + 127 * 0x1p-22);
  }
}

TEST_P(Int8RowsTest, HoldNothingOfARowOfZerosAndPassOnWhatIsNotFinite) {
  EXPECT_EQ(Quantize(std::vector<float>(19, -0.0F)).scale, 0.0F);
  EXPECT_EQ(Quantize(std::vector<float>(19, 1e-40F)).scale, 0.0F);
  for (const float value : {kNaN, kInfinity, -kInfinity}) {
    for (const size_t at : {0U, 7U, 18U}) {
      std::vector<float> x(19, 1.0F);
      x[at] = value;
      EXPECT_TRUE(std::isnan(Quantize(x).scale)) << value << " at " << at;
    }
  }
}

TEST_P(Int8RowsTest, FinishSumsOfEveryWidth) {
  for (int width = 1; width <= 40; ++width) {
    Int8Channels channels;
    std::vector<float> y(static_cast<size_t>(width) + 16, -1.0F);
    std::vector<float> expected;
    for (int i = 0; i < width; ++i) {
      channels.scales.push_back(0.3F * static_cast<float>(i + 1));
      channels.offsets.push_back(1000003 * (i - 7));
      const int32_t sum = 16777217 * (i % 100) - 5;
      y[static_cast<size_t>(i)] = std::bit_cast<float>(sum);
      expected.push_back(static_cast<float>(sum - channels.offsets.back()) * 0.7F *
                         channels.scales.back());
    }
    expected.resize(y.size(), -1.0F);
    const int part = width / 3;  // in two parts
    FinishInt8(channels, part, width - part, 0.7F, y.data() + part);
    FinishInt8(channels, 0, part, 0.7F, y.data());
    EXPECT_EQ(y, expected) << "width " << width;
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Int8RowsTest,
                         testing::ValuesIn(hwy::SupportedAndGeneratedTargets()), TargetNameOf);

TEST(Int8HalvesTest, AddUpAndStayWithinSixteenBits) {
  std::vector<std::byte> x(256);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::byte>(i);
  std::vector<std::byte> low(x.size());
  std::vector<std::byte> high(x.size());
  SplitHalves(static_cast<int64_t>(x.size()), x.data(), low.data(), high.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const int a = std::to_integer<int>(low[i]);
    const int b = std::to_integer<int>(high[i]);
    EXPECT_EQ(a + b, static_cast<int>(i));
    EXPECT_LE(2 * std::max(a, b) * kInt8Most, std::numeric_limits<int16_t>::max());
  }
}

}  // namespace
}  // namespace plumbline::int8_matmul_test
