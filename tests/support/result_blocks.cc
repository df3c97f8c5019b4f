#include "tests/support/result_blocks.h"

#include <atomic>
#include <cmath>
#include <cstddef>

#include "engine/ops.h"
#include "gtest/gtest.h"

namespace plumbline {

void PlaceBlock(const ResultBlock& block, int64_t outputs, std::vector<float>* y) {
  EXPECT_EQ(block.output % kResultOutputs, 0);
  EXPECT_TRUE(block.outputs % kResultOutputs == 0 || block.output + block.outputs == outputs);
  for (int64_t row = 0; row < block.rows; ++row) {
    for (int64_t i = 0; i < block.outputs; ++i) {
      const int64_t at = (block.row + row) * outputs + block.output + i;
      float& to = (*y)[static_cast<size_t>(at)];
      EXPECT_TRUE(std::isnan(to)) << "given twice: " << at;
      to = block.values[row * block.stride + i];
    }
  }
}

int64_t MultiplyInto(PackedMatrix& matrix, int64_t rows, const std::byte* x,
                     const std::vector<float>& x_scales, float* y) {
  int64_t told = 0;
  std::atomic<int64_t> results = 0;  // the sink's threads
  const absl::Status status = matrix.RunInto(
      rows, x, x_scales.data(), y,
      [&](const ResultBlock& block) {
        StoreBlock(block, nullptr, matrix.outputs(), y);
        results += block.rows * block.outputs;
      },
      [&](int64_t first, int64_t count) {
        EXPECT_EQ(first, told);
        told += count;
        EXPECT_EQ(results, told * matrix.outputs()) << "a call's results come before the next";
      });
  EXPECT_TRUE(status.ok()) << status;
  return told;
}

}  // namespace plumbline
