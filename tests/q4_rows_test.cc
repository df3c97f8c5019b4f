// 4-bit weights: their choice, how they are stored, and their products against sums in 64 bits.
#include "engine/q4_rows.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "engine/int8_rows.h"
#include "gtest/gtest.h"
#include "hwy/targets.h"
#include "tests/support/every_target.h"
#include "tests/support/q4_weights.h"
#include "tests/support/row_values.h"

namespace plumbline::q4_rows_test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Q4Row RandomRow(int64_t inputs, uint64_t seed) {
  std::mt19937_64 random(seed);
  Q4Row row;
  row.values.assign(static_cast<size_t>(Q4Blocks(inputs) * kQ4BlockInputs), 0);
  for (int64_t b = 0; b < Q4Blocks(inputs); ++b) {
    row.scales.push_back(static_cast<int8_t>(static_cast<int>(random() % 31) - 15));
  }
  for (int64_t i = 0; i < inputs; ++i) {
    row.values[static_cast<size_t>(i)] =
        static_cast<int8_t>(kQ4Least + static_cast<int>(random() % 16));
  }
  return row;
}

struct Stored {
  std::vector<Q4Row> rows;
  WeightMemory memory;
  Q4Matrix matrix;

  Stored(int64_t outputs, int64_t inputs) : matrix(outputs, inputs, memory) {
    for (int64_t i = 0; i < outputs; ++i) {
      Add(RandomRow(inputs, static_cast<uint64_t>(i)));
    }
  }
  Stored(int64_t outputs, int64_t inputs, const Q4Row& row) : matrix(outputs, inputs, memory) {
    for (int64_t i = 0; i < outputs; ++i) Add(row);
  }
  void Add(const Q4Row& row) {
    matrix.SetRow(static_cast<int64_t>(rows.size()), row);
    rows.push_back(row);
  }
};

// Rows of activations, whole blocks of inputs each: what lies beyond the inputs is not to count.
std::vector<std::byte> Padded(const std::vector<std::byte>& x, int64_t inputs, int64_t rows) {
  const int64_t stride = Q4Blocks(inputs) * kQ4BlockInputs;
  std::vector<std::byte> padded(static_cast<size_t>(rows * stride), std::byte{0xFF});
  for (int64_t row = 0; row < rows; ++row) {
    std::copy_n(x.begin() + row * inputs, inputs, padded.begin() + row * stride);
  }
  return padded;
}

// The whole product by MultiplyQ4Tile, between guards.
void ExpectExact(const Stored& w, const std::vector<std::byte>& x, int64_t rows) {
  const int64_t inputs = w.matrix.inputs();
  const int64_t outputs = w.matrix.outputs();
  const std::vector<std::byte> padded = Padded(x, inputs, rows);
  constexpr int32_t kGuard = 0x7FC00000;  // a NaN as f32
  std::vector<int32_t> y(static_cast<size_t>(rows * outputs + 16), kGuard);
  for (int64_t tile = 0; tile < Q4Tiles(outputs); ++tile) {
    MultiplyQ4Tile(w.matrix, tile, rows, padded.data(), Q4Blocks(inputs) * kQ4BlockInputs,
                   y.data());
  }
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t output = 0; output < outputs; ++output) {
      int64_t sum = 0;
      for (int64_t i = 0; i < inputs; ++i) {
        sum += int64_t{1} * std::to_integer<int>(x[static_cast<size_t>(row * inputs + i)]) *
               Q4Weight(w.rows[static_cast<size_t>(output)], i);
      }
      ASSERT_EQ(y[static_cast<size_t>(row * outputs + output)], static_cast<int32_t>(sum))
          << "[" << outputs << ", " << inputs << "], row " << row << ", output " << output;
    }
  }
  EXPECT_EQ(std::count(y.end() - 16, y.end(), kGuard), 16) << "beyond the last row";
}

class Q4TargetsTest : public EveryTargetTest {};

TEST_P(Q4TargetsTest, AreExactForEveryShape) {
  std::mt19937_64 random(7);
  for (const int64_t outputs : {1, 2, 15, 16, 17, 35}) {
    for (const int64_t inputs : {1, 7, 31, 32, 33, 64, 97, 511}) {
      const Stored w(outputs, inputs);
      std::vector<std::byte> x(static_cast<size_t>(9 * inputs));
      for (std::byte& value : x) value = static_cast<std::byte>(random());
      for (const int64_t rows : {1, 2, 3, 4, 5, 9}) ExpectExact(w, x, rows);
    }
  }
}

// A block's sums nearest to the ends of 16 bits, and whole sums beyond 2^31, which wrap.
TEST_P(Q4TargetsTest, AreExactForTheLargestNumbers) {
  for (const int64_t inputs : {int64_t{32}, int64_t{4096}, kInt8MostInputs}) {
    const auto blocks = static_cast<size_t>(Q4Blocks(inputs));
    for (const int q : {kQ4Least, kQ4Most}) {
      for (const int scale : {15, -15, kQ4MostScale, -kQ4MostScale}) {
        Q4Row row;
        row.values.assign(static_cast<size_t>(inputs), static_cast<int8_t>(q));
        row.values.resize(blocks * kQ4BlockInputs, 0);
        row.scales.assign(blocks, static_cast<int8_t>(scale));
        const Stored w(3, inputs, row);
        const std::vector<std::byte> x(static_cast<size_t>(2 * inputs), std::byte{255});
        ExpectExact(w, x, 2);
      }
    }
  }
}

// Unpacked by vectors and by rows, to the products that both stand for.
TEST_P(Q4TargetsTest, UnpackToTheirProducts) {
  constexpr std::byte kGuard{0x55};
  for (const int64_t inputs : {1, 31, 32, 100}) {
    const Stored w(19, inputs);
    EXPECT_EQ(w.matrix.bytes(), 32 * Q4Blocks(inputs) * 17);
    const int64_t unpacked_rows = Q4Blocks(inputs) * kQ4BlockInputs / 4;
    for (const int64_t stride : {64, 96}) {
      std::vector<std::byte> out(static_cast<size_t>(unpacked_rows * stride + 64), kGuard);
      for (int64_t tile = 0; tile < Q4Tiles(19); ++tile) {
        UnpackQ4Tile(w.matrix, tile, {stride, 16 * stride}, out.data());
        for (int64_t at = 0; at < unpacked_rows * stride; ++at) {
          const int64_t output = tile * kQ4TileOutputs + at % stride / 4;
          const int64_t input = at / stride * 4 + at % 4;
          const bool stored = output < 19 && input < inputs;
          const auto expected =
              at % stride >= 64 ? kGuard
              : stored
                  ? static_cast<std::byte>(Q4Weight(w.rows[static_cast<size_t>(output)], input))
                  : std::byte{0};
          ASSERT_EQ(out[static_cast<size_t>(at)], expected)
              << "output " << output << ", input " << input << " of " << inputs;
        }
        EXPECT_EQ(std::count(out.end() - 64, out.end(), kGuard), 64);
      }
    }
    for (int64_t output = 0; output < 19; ++output) {
      std::vector<std::byte> out(static_cast<size_t>(inputs) + 1, kGuard);
      UnpackQ4Row(w.matrix, output, out.data());
      for (int64_t i = 0; i < inputs; ++i) {
        ASSERT_EQ(std::to_integer<int8_t>(out[static_cast<size_t>(i)]),
                  Q4Weight(w.rows[static_cast<size_t>(output)], i));
      }
      EXPECT_EQ(out.back(), kGuard);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Q4TargetsTest,
                         testing::ValuesIn(hwy::SupportedAndGeneratedTargets()), TargetNameOf);

// Without any search: the scale holds the row's extreme as 15 x -8, s is each block's extreme by
// -8 rounded up in magnitude, q is rounded.
Q4Row PlainChoice(const std::vector<float>& w) {
  Q4Row row;
  float most = 0;
  for (const float value : w) most = std::max(most, std::abs(value));
  row.scale = most / 120;
  for (size_t first = 0; first < w.size(); first += kQ4BlockInputs) {
    const size_t end = std::min<size_t>(first + kQ4BlockInputs, w.size());
    float extreme = 0;
    for (size_t i = first; i < end; ++i) {
      if (std::abs(w[i]) > std::abs(extreme)) extreme = w[i];
    }
    const float s = std::min(15.0F, std::ceil(std::abs(extreme) / (8 * row.scale)));
    row.scales.push_back(static_cast<int8_t>(extreme > 0 ? -s : s));
    for (size_t i = first; i < end; ++i) {
      const float q = std::nearbyint(w[i] / (row.scale * static_cast<float>(row.scales.back())));
      row.values.push_back(static_cast<int8_t>(std::clamp(q, -8.0F, 7.0F)));
    }
  }
  return row;
}

TEST(Q4RowsTest, ChooseWhatFitsInt8AndLosesLessThanWithoutSearch) {
  Q4Row row;
  for (const size_t width : {1U, 31U, 32U, 33U, 172U, 1024U}) {
    const std::vector<float> w = NormalValues(static_cast<int>(width), width, 1.0F);
    QuantizeQ4Row(w, &row);
    ASSERT_EQ(row.scales.size(), (width + 31) / 32);
    ASSERT_EQ(row.values.size(), row.scales.size() * 32);
    for (size_t i = 0; i < row.values.size(); ++i) {
      EXPECT_GE(row.values[i], kQ4Least);
      EXPECT_LE(row.values[i], kQ4Most);
      EXPECT_LE(std::abs(Q4Weight(row, static_cast<int64_t>(i))), kInt8Most);
      if (i >= width) {
        EXPECT_EQ(row.values[i], 0);
      }
    }
    // The scale is a float: it is off by 2^-24 of itself at most, and so is every weight.
    double slack = 0;
    for (const float value : w) slack += 0x1p-46 * value * value;
    EXPECT_LE(SquareError(w, row), SquareError(w, PlainChoice(w)) + slack) << width;
  }
}

// What can be held exactly is: numbers of which some block has 15 x -8.
TEST(Q4RowsTest, HoldTheirOwnNumbersExactly) {
  Q4Row made = RandomRow(320, 11);
  for (size_t b = 0; b < made.scales.size(); ++b) {
    if (made.scales[b] == 0) made.scales[b] = 1;
    made.values[b * kQ4BlockInputs] = kQ4Least;
  }
  made.scales[3] = 15;
  std::vector<float> w;
  for (int64_t i = 0; i < 320; ++i) w.push_back(0.125F * static_cast<float>(Q4Weight(made, i)));
  Q4Row row;
  QuantizeQ4Row(w, &row);
  EXPECT_EQ(row.scale, 0.125F);
  for (int64_t i = 0; i < 320; ++i) EXPECT_EQ(Q4Weight(row, i), Q4Weight(made, i)) << i;
}

TEST(Q4RowsTest, HoldNothingOfARowOfZerosAndPassOnWhatIsNotFinite) {
  Q4Row row;
  for (const float value : {0.0F, -0.0F, 1e-40F}) {
    QuantizeQ4Row(std::vector<float>(40, value), &row);
    EXPECT_EQ(row.scale, 0.0F);
    EXPECT_EQ(row.values, std::vector<int8_t>(64, 0));
  }
  for (const float value : {kNaN, kInfinity, -kInfinity}) {
    std::vector<float> w(40, 1.0F);
    w[35] = value;
    QuantizeQ4Row(w, &row);
    EXPECT_TRUE(std::isnan(row.scale)) << value;
  }
}

}  // namespace
}  // namespace plumbline::q4_rows_test
