// Matrices in tile registers: against products in double, cut in every way, beside rows that are no
// numbers, and beside the library's product of the same operands. (matmul_test.cc and
// int8_matmul_test.cc hold what every packed matrix must do.)
#include "engine/matmul_tiles.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "engine/line_weights.h"
#include "engine/matmul.h"
#include "engine/matmul_tile_columns.h"
#include "gtest/gtest.h"
#include "tests/reference/error_bounds.h"
#include "tests/support/result_blocks.h"

namespace plumbline::matmul_tiles_test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// The upper half of a float: a bf16 number, rounded towards zero.
uint16_t Bf16(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  return static_cast<uint16_t>(bits >> 16U);
}
double Value(uint16_t bf16) {
  const uint32_t bits = uint32_t{bf16} << 16U;
  float value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// Operands in bf16, plain.
struct Operands {
  TileShape shape;
  std::vector<uint16_t> w;  // [outputs, inputs]
  std::vector<uint16_t> x;  // [rows, inputs]

  Operands(int64_t outputs, int64_t inputs, int64_t rows) : shape{outputs, inputs} {
    std::mt19937_64 random(static_cast<uint64_t>(outputs * 7 + inputs));
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < outputs * inputs; ++i) w.push_back(Bf16(normal(random)));
    for (int64_t i = 0; i < rows * inputs; ++i) x.push_back(Bf16(normal(random)));
  }
  const std::byte* Row(int64_t row) const {
    return reinterpret_cast<const std::byte*>(x.data() + row * shape.inputs);
  }
};

class MatmulTilesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!MultipliesInTiles(WeightDtype::kBf16)) GTEST_SKIP() << "no tile registers in use here";
  }
};

// y of `rows` rows from `first` on; scratch and result are full of NaN before.
std::vector<float> ProductOf(const Operands& o, int threads, int64_t first, int64_t rows) {
  LineWeights weights;
  const auto rows_of = [&o](int64_t row, int64_t num_rows, float* out) {
    const auto* w = o.w.data() + row * o.shape.inputs;
    std::transform(w, w + num_rows * o.shape.inputs, out, &Value);
    return absl::OkStatus();
  };
  WeightMemory memory;
  EXPECT_TRUE(
      ReadLineWeights(o.shape, TileLines(o.shape), threads, rows_of, memory, &weights).ok());
  const int64_t scratch_floats = TileScratchBytes(o.shape, threads, rows) / 4;
  UntouchedArray<float> scratch(scratch_floats);
  std::fill_n(scratch.get(), scratch_floats, kNaN);
  std::vector<float> y(static_cast<size_t>(rows * o.shape.outputs), kNaN);
  std::vector<float> room(y.size(), kNaN);
  MultiplyInTiles({o.shape, threads, weights.packed.get(), rows, o.Row(first), room.data(),
                   reinterpret_cast<std::byte*>(scratch.get())},
                  [&](const ResultBlock& block) { PlaceBlock(block, o.shape.outputs, &y); });
  return y;
}

void ExpectNear(const Operands& o, int64_t row, const float* y) {
  for (int64_t output = 0; output < o.shape.outputs; ++output) {
    double sum = 0;
    double abs_sum = 0;
    for (int64_t i = 0; i < o.shape.inputs; ++i) {
      const double product =
          Value(o.w[output * o.shape.inputs + i]) * Value(o.x[row * o.shape.inputs + i]);
      sum += product;
      abs_sum += std::abs(product);
    }
    ASSERT_LE(std::abs(y[output] - sum), DotErrorBound(o.shape.inputs, abs_sum, kF32Precision))
        << "row " << row << ", output " << output;
  }
}

// Inputs around a run of 32, around what eight strips hold at once (2,048) and three times that;
// rows around few rows, a strip and what one call takes at once.
TEST_F(MatmulTilesTest, MatchesTheProductInDoubleHoweverItIsCut) {
  for (const int64_t inputs : {1, 31, 33, 64, 2047, 2048, 2050, 6200}) {
    const Operands o(70, inputs, 512);
    for (const int64_t rows : {1, 15, 16, 17, 32, 33, 255, 257, 512}) {
      SCOPED_TRACE(testing::Message() << inputs << " inputs, " << rows << " rows");
      const std::vector<float> y = ProductOf(o, 2, 0, rows);
      for (const int64_t row : {int64_t{0}, rows / 2, rows - 1}) {
        ExpectNear(o, row, y.data() + row * o.shape.outputs);
      }
    }
  }
}

TEST_F(MatmulTilesTest, ARowHasTheSameBitsInEveryCompanyOnAnyNumberOfThreads) {
  const Operands o(200, 2100, 512);
  const std::vector<float> all = ProductOf(o, 1, 0, 512);
  for (const int threads : {1, 2, 3, 8}) {
    for (const int64_t rows : {1, 2, 16, 17, 40, 300, 512}) {
      const int64_t first = (512 - rows) / 2;
      const std::vector<float> y = ProductOf(o, threads, first, rows);
      EXPECT_EQ(std::memcmp(y.data(), all.data() + first * 200, y.size() * sizeof(float)), 0)
          << rows << " rows, " << threads << " threads";
    }
  }
}

TEST_F(MatmulTilesTest, ARowThatIsNoNumberSpoilsNoOther) {
  for (const int64_t rows : {3, 20, 64}) {
    Operands o(64, 90, rows);
    const std::vector<float> clean = ProductOf(o, 1, 0, rows);
    std::fill_n(o.x.begin() + 90, 90, Bf16(kNaN));
    std::vector<float> y = ProductOf(o, 1, 0, rows);
    for (int64_t output = 0; output < 64; ++output) EXPECT_TRUE(std::isnan(y[64 + output]));
    std::copy_n(clean.begin() + 64, 64, y.begin() + 64);
    EXPECT_EQ(y, clean) << rows << " rows";
  }
}

// What `rows_bench` holds the tiles against must be the same product.
TEST_F(MatmulTilesTest, TheLibrarysPathMultipliesTheSame) {
  const Operands o(96, 1500, 512);
  auto context = MatmulContext::Create(2);
  ASSERT_TRUE(context.ok()) << context.status();
  const auto rows = [&](int64_t row, int64_t count, float* out) {
    for (int64_t i = 0; i < count * 1500; ++i) {
      out[i] = static_cast<float>(Value(o.w[row * 1500 + i]));
    }
    return absl::OkStatus();
  };
  for (const MatmulPath path : {MatmulPath::kFastest, MatmulPath::kLibrary}) {
    const auto matrix = PackedMatrix::Create(**context, 96, 1500, WeightDtype::kBf16, rows, path);
    ASSERT_TRUE(matrix.ok()) << matrix.status();
    const bool tiles = path == MatmulPath::kFastest;
    EXPECT_EQ((*matrix)->implementation() == "tiles:bf16", tiles) << (*matrix)->implementation();
    EXPECT_EQ((*matrix)->rows_independent(), tiles);
    std::vector<float> y(512 * 96);
    ASSERT_TRUE((*matrix)->Run(512, o.Row(0), y.data(), [](int64_t, int64_t) {}).ok());
    for (const int64_t row : {0, 100, 511}) ExpectNear(o, row, y.data() + row * 96);
  }
}

}  // namespace
}  // namespace plumbline::matmul_tiles_test
