// Products of 4-bit weights, few rows and many: sums in 64 bits of the numbers that the quantiser
// chose, to the bit.
#include <bit>
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
#include "engine/q4_rows.h"
#include "gtest/gtest.h"
#include "tests/support/matmul_fixture.h"
#include "tests/support/result_blocks.h"

namespace plumbline::q4_matmul_test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kMostRows = 545;

struct Product {
  int64_t outputs;
  int64_t inputs;
  std::vector<float> w;       // [outputs, inputs]
  std::vector<Q4Row> chosen;  // [outputs]
  std::vector<std::byte> x;   // [kMostRows, inputs]
};

Product MakeProduct(int64_t outputs, int64_t inputs) {
  Product p = {outputs, inputs, {}, {}, {}};
  std::mt19937_64 random(static_cast<uint64_t>(1000 * outputs + inputs));
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < outputs * inputs; ++i) p.w.push_back(normal(random));
  for (int64_t i = 0; i < outputs; ++i) {
    QuantizeQ4Row(absl::MakeConstSpan(p.w).subspan(static_cast<size_t>(i * inputs),
                                                   static_cast<size_t>(inputs)),
                  &p.chosen.emplace_back());
  }
  for (int64_t i = 0; i < kMostRows * inputs; ++i) {
    p.x.push_back(static_cast<std::byte>(1 + random() % 255));
  }
  return p;
}

absl::StatusOr<std::unique_ptr<PackedMatrix>> Pack(MatmulContext& context, const Product& p) {
  return PackedMatrix::Create(context, p.outputs, p.inputs, WeightDtype::kQ4,
                              [&](int64_t row, int64_t rows, float* out) {
                                std::copy_n(p.w.begin() + row * p.inputs, rows * p.inputs, out);
                                return absl::OkStatus();
                              });
}

float Expected(const Product& p, int64_t row, int64_t output, float x_scale) {
  const Q4Row& w = p.chosen[static_cast<size_t>(output)];
  int64_t sum = 0;
  for (int64_t i = 0; i < p.inputs; ++i) {
    const int x = std::to_integer<int>(p.x[static_cast<size_t>(row * p.inputs + i)]) - kInt8Zero;
    sum += int64_t{1} * x * w.values[static_cast<size_t>(i)] *
           w.scales[static_cast<size_t>(i / kQ4BlockInputs)];
  }
  return static_cast<float>(sum) * x_scale * w.scale;
}

// Every `step`-th row and output, from operands of exactly these rows.
void ExpectExact(PackedMatrix& matrix, const Product& p, int64_t rows, int64_t step) {
  constexpr float kScale = 0.03F;
  const std::vector<std::byte> x(p.x.begin(), p.x.begin() + rows * p.inputs);
  std::vector<float> y(static_cast<size_t>(rows * p.outputs + 16), kNaN);
  const std::vector<float> scales(static_cast<size_t>(rows), kScale);
  EXPECT_EQ(MultiplyInto(matrix, rows, x.data(), scales, y.data()), rows);
  for (int64_t row = 0; row < rows; row += row + step < rows ? step : 1) {
    for (int64_t output = row % step; output < p.outputs; output += step) {
      ASSERT_EQ(y[static_cast<size_t>(row * p.outputs + output)], Expected(p, row, output, kScale))
          << "[" << p.outputs << ", " << p.inputs << "], row " << row << " of " << rows
          << ", output " << output << " as " << matrix.implementation();
    }
  }
  for (size_t i = y.size() - 16; i < y.size(); ++i) EXPECT_NE(y[i], y[i]) << "beyond the last row";
}

class Q4MatmulTest : public MatmulThreadsTest {};

TEST_P(Q4MatmulTest, IsExactForEveryNumberOfRows) {
  for (const auto& [outputs, inputs] :
       {std::pair(1, 1), std::pair(3, 17), std::pair(65, 64), std::pair(37, 129),
        std::pair(64, 172), std::pair(48, 511)}) {
    const Product p = MakeProduct(outputs, inputs);
    auto matrix = Pack(*context_, p);
    ASSERT_TRUE(matrix.ok()) << matrix.status();
    EXPECT_TRUE((*matrix)->rows_independent());
    const int64_t row_bytes = (inputs + 31) / 32 * 17;
    EXPECT_EQ((*matrix)->element_bytes_read(), outputs * row_bytes);
    EXPECT_EQ((*matrix)->channel_bytes(), 8 * outputs);
    EXPECT_EQ((*matrix)->packed_bytes(), (outputs + 15) / 16 * 16 * row_bytes + 8 * outputs);
    for (int64_t rows = 0; rows <= 34; ++rows) ExpectExact(**matrix, p, rows, 1);
    for (const int64_t rows : {65, 129, 512, 513, 545}) ExpectExact(**matrix, p, rows, 13);
  }
}

// Matrices of several panels, the last of which is smaller; all after the largest has made room.
TEST_P(Q4MatmulTest, IsExactInSeveralPanels) {
  for (const auto& [outputs, inputs] :
       {std::pair(2500, 96), std::pair(1025, 40), std::pair(200, 9000), std::pair(130, 17000)}) {
    const Product p = MakeProduct(outputs, inputs);
    auto matrix = Pack(*context_, p);
    ASSERT_TRUE(matrix.ok()) << matrix.status();
    for (const int64_t rows : {1, 8, 9, 33, 161}) ExpectExact(**matrix, p, rows, 31);
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, Q4MatmulTest, testing::Values(1, 2));

TEST(Q4MatmulLimitTest, PassesErrorsOn) {
  auto context = MatmulContext::Create(2);
  ASSERT_TRUE(context.ok());
  const auto wide = PackedMatrix::Create(**context, 1, kInt8MostInputs + 1, WeightDtype::kQ4,
                                         [](int64_t, int64_t, float*) {
                                           ADD_FAILURE() << "nothing is to be read";
                                           return absl::OkStatus();
                                         });
  EXPECT_EQ(wide.status().code(), absl::StatusCode::kInvalidArgument) << wide.status();
  const auto lost = PackedMatrix::Create(
      **context, 100, 8, WeightDtype::kQ4,
      [](int64_t, int64_t, float*) { return absl::DataLossError("the rows are gone"); });
  EXPECT_EQ(lost.status(), absl::DataLossError("the rows are gone"));
}

}  // namespace
}  // namespace plumbline::q4_matmul_test
