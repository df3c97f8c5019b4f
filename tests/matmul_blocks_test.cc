// Products that give their results block by block: the same numbers as whole ones, each once.
#include <algorithm>
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
#include "engine/ops.h"
#include "engine/weight_dtype.h"
#include "engine/weight_rows.h"
#include "gtest/gtest.h"
#include "tests/support/result_blocks.h"

namespace plumbline::matmul_blocks_test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kInputs = 72;
constexpr int64_t kMostRows = 545;  // a whole call, and one of a multiple of 32 and one more row

class MatmulBlocksTest : public testing::TestWithParam<WeightDtype> {
 protected:
  void SetUp() override {
    auto context = MatmulContext::Create(2);
    ASSERT_TRUE(context.ok()) << context.status();
    context_ = *std::move(context);
    if (context_->Probe(1, kInputs, GetParam()).status().code() ==
        absl::StatusCode::kFailedPrecondition) {
      GTEST_SKIP() << "no matmul of this dtype here";
    }
    std::mt19937_64 random(5);
    std::normal_distribution<float> normal;
    x_.resize(static_cast<size_t>(kMostRows * kInputs * WeightDtypeBytes(GetParam())));
    for (int64_t row = 0; row < kMostRows; ++row) {
      std::vector<float> values(kInputs);
      for (float& value : values) value = normal(random);
      std::byte* const to = x_.data() + row * kInputs * WeightDtypeBytes(GetParam());
      if (IsWhole(GetParam())) {
        QuantizeRow(kInputs, values.data(), to, &scales_.emplace_back());
      } else {
        RoundRow(kInputs, values.data(), GetParam(), to);
      }
    }
  }
  std::unique_ptr<PackedMatrix> Pack(int64_t outputs) {
    std::mt19937_64 random(static_cast<uint64_t>(outputs));
    std::normal_distribution<float> normal;
    std::vector<float> w(static_cast<size_t>(outputs * kInputs));
    for (float& weight : w) weight = normal(random);
    const auto read = [&](int64_t row, int64_t rows, float* out) {
      std::copy_n(w.begin() + row * kInputs, rows * kInputs, out);
      return absl::OkStatus();
    };
    auto matrix = PackedMatrix::Create(*context_, outputs, kInputs, GetParam(), read);
    EXPECT_TRUE(matrix.ok()) << matrix.status();
    if (GetParam() == WeightDtype::kInt8) {
      PlainWeights plain;
      EXPECT_TRUE(ReadWeights(outputs, kInputs, GetParam(), 1, read, &plain).ok());
      channels_ = std::move(plain.channels);
    } else if (GetParam() == WeightDtype::kQ4) {
      WeightMemory memory;
      Q4Weights q4;
      EXPECT_TRUE(ReadQ4Weights(outputs, kInputs, 1, read, memory, &q4).ok());
      channels_ = std::move(q4.channels);
    }
    return *std::move(matrix);
  }
  // The sums as they are; of whole numbers finished by hand.
  std::vector<float> Whole(PackedMatrix& matrix, int64_t rows) {
    const int64_t outputs = matrix.outputs();
    std::vector<float> y(static_cast<size_t>(rows * outputs), kNaN);
    EXPECT_TRUE(matrix.Run(rows, x_.data(), y.data(), [](int64_t, int64_t) {}).ok());
    for (int64_t row = 0; row < rows && IsWhole(GetParam()); ++row) {
      FinishInt8(channels_, 0, outputs, scales_[static_cast<size_t>(row)],
                 y.data() + row * outputs);
    }
    return y;
  }
  std::vector<float> InBlocks(PackedMatrix& matrix, int64_t rows) {
    const int64_t outputs = matrix.outputs();
    std::vector<float> room(static_cast<size_t>(rows * outputs), kNaN);
    std::vector<float> y(room.size(), kNaN);
    EXPECT_TRUE(matrix
                    .RunInto(
                        rows, x_.data(), scales_.data(), room.data(),
                        [&](const ResultBlock& block) { PlaceBlock(block, outputs, &y); },
                        [](int64_t, int64_t) {})
                    .ok());
    // A sink may write where a result belongs.
    EXPECT_EQ(MultiplyInto(matrix, rows, x_.data(), scales_, room.data()), rows);
    EXPECT_EQ(room, y);
    return y;
  }

  std::unique_ptr<MatmulContext> context_;
  std::vector<std::byte> x_;
  std::vector<float> scales_;  // of whole numbers' rows
  Int8Channels channels_;      // of the matrix packed last
};

TEST_P(MatmulBlocksTest, GivesTheBitsOfTheWholeProduct) {
  // Slices of many widths, with a last one of as many outputs, fewer and more.
  for (const int64_t outputs : {1, 64, 100, 130, 256, 383, 2304, 4607}) {
    const std::unique_ptr<PackedMatrix> matrix = Pack(outputs);
    const std::vector<int64_t> all_rows =
        outputs > 1000 ? std::vector<int64_t>{3, 129, 300}
                       : std::vector<int64_t>{0, 1, 5, 8, 9, 16, 17, 33, 64, 128, 257, 300, 545};
    for (const int64_t rows : all_rows) {
      EXPECT_EQ(InBlocks(*matrix, rows), Whole(*matrix, rows))
          << "[" << outputs << ", " << kInputs << "], " << rows << " rows, "
          << matrix->implementation();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes, MatmulBlocksTest,
                         testing::Values(WeightDtype::kF32, WeightDtype::kBf16, WeightDtype::kInt8,
                                         WeightDtype::kQ4),
                         [](const auto& test) { return std::string(WeightDtypeName(test.param)); });

}  // namespace
}  // namespace plumbline::matmul_blocks_test
