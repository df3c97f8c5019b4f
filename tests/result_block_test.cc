// Blocks of results added to rows, or put in their place.
#include "engine/result_block.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "engine/ops.h"
#include "gtest/gtest.h"
#include "tests/support/row_values.h"

namespace plumbline::result_block_test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kRows = 5;
constexpr int64_t kOutputs = 150;

// Rows 1 to 3 of `outputs` results from the 64th on, 70 apart, NaN between them.
struct Some {
  explicit Some(int64_t outputs) : values(3 * 70, kNaN) {
    const std::vector<float> numbers = NormalValues(static_cast<int>(3 * outputs), 1, 1.0F);
    for (int64_t row = 0; row < 3; ++row) {
      for (int64_t i = 0; i < outputs; ++i) values[row * 70 + i] = numbers[row * outputs + i];
    }
    block = {1, 3, 64, outputs, values.data(), 70};
  }
  // The block's number for an element of [kRows, kOutputs]; NaN: it has none.
  float At(int64_t row, int64_t output) const {
    const bool in = row >= block.row && row < block.row + block.rows && output >= block.output &&
                    output < block.output + block.outputs;
    return in ? values[(row - block.row) * 70 + output - block.output] : kNaN;
  }
  std::vector<float> values;
  ResultBlock block;
};

void ExpectEach(int64_t outputs, bool with_bias, bool add) {
  Some some(outputs);
  const std::vector<float> before = NormalValues(kRows * kOutputs, 2, 1.0F);
  const std::vector<float> bias = NormalValues(kOutputs, 3, 1.0F);
  std::vector<float> x = before;
  const float* const of_outputs = with_bias ? bias.data() : nullptr;
  if (add) {
    AddBlock(some.block, of_outputs, kOutputs, x.data());
  } else {
    StoreBlock(some.block, of_outputs, kOutputs, x.data());
  }
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t output = 0; output < kOutputs; ++output) {
      const auto at = static_cast<size_t>(row * kOutputs + output);
      float expected = some.At(row, output);
      if (std::isnan(expected)) {
        expected = before[at];
      } else {
        if (add) expected = before[at] + expected;
        if (with_bias) expected += bias[static_cast<size_t>(output)];
      }
      ASSERT_EQ(x[at], expected) << row << ", " << output << " of " << outputs;
    }
  }
}

TEST(ResultBlockTest, AddsAndStoresItsOwnElementsAlone) {
  for (int64_t outputs = 1; outputs <= 64; ++outputs) {
    for (const bool with_bias : {false, true}) {
      ExpectEach(outputs, with_bias, true);
      ExpectEach(outputs, with_bias, false);
    }
  }
}

TEST(ResultBlockTest, StoresInItsOwnPlace) {
  const std::vector<float> before = NormalValues(2 * kOutputs, 4, 1.0F);
  const std::vector<float> bias = NormalValues(kOutputs, 5, 1.0F);
  std::vector<float> x = before;
  const ResultBlock second = {1, 1, 0, kOutputs, x.data() + kOutputs, kOutputs};
  StoreBlock(second, nullptr, kOutputs, x.data());
  EXPECT_EQ(x, before);
  StoreBlock(second, bias.data(), kOutputs, x.data());
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(x[i], i < kOutputs ? before[i] : before[i] + bias[i - kOutputs]) << i;
  }
}

TEST(ResultBlockTest, NaNReachesItsElementAlone) {
  std::vector<float> values(20, 1.0F);
  values[7] = kNaN;
  std::vector<float> x(20, 2.0F);
  AddBlock({0, 1, 0, 20, values.data(), 20}, nullptr, 20, x.data());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(std::isnan(x[i]), i == 7) << i;
}

}  // namespace
}  // namespace plumbline::result_block_test
