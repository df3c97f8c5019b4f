// Packed matrices against products in double, and the same bits for every number of rows.
#include "engine/matmul.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "engine/matmul_tiles.h"
#include "gtest/gtest.h"
#include "tests/reference/error_bounds.h"
#include "tests/support/float_format.h"

namespace plumbline::matmul_test {
namespace {

constexpr float kUnwritten = -7777.0F;
constexpr int64_t kMostRows = 600;

FloatFormat FormatOf(WeightDtype dtype) {
  return dtype == WeightDtype::kF32 ? kF32Format : kBf16Format;
}

// Operands as the caller has them (weights in f32) and as the library sees them, in double.
struct Product {
  int64_t outputs = 0;
  int64_t inputs = 0;
  WeightDtype dtype = WeightDtype::kF32;
  std::vector<float> weights;           // [outputs, inputs]
  std::vector<double> rounded_weights;  // [outputs, inputs]
  std::vector<double> x;                // [rows, inputs], numbers of the dtype
  std::vector<std::byte> x_bytes;       // the same in the dtype
};

Product MakeProduct(int64_t outputs, int64_t inputs, WeightDtype dtype, int64_t rows) {
  Product p = {outputs, inputs, dtype, {}, {}, {}, {}};
  std::mt19937_64 random(static_cast<uint64_t>(outputs * 1000 + inputs));
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < outputs * inputs; ++i) {
    p.weights.push_back(normal(random));
    p.rounded_weights.push_back(RoundToFormat(FormatOf(dtype), p.weights.back()));
  }
  const auto bytes = static_cast<size_t>(WeightDtypeBytes(dtype));
  p.x_bytes.resize(static_cast<size_t>(rows * inputs) * bytes);
  for (size_t i = 0; i < static_cast<size_t>(rows * inputs); ++i) {
    p.x.push_back(RoundToFormat(FormatOf(dtype), normal(random)));
    const auto value = static_cast<float>(p.x.back());
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    if (dtype == WeightDtype::kBf16) bits >>= 16;  // exact: a bf16 number
    std::memcpy(p.x_bytes.data() + i * bytes, &bits, bytes);
  }
  return p;
}

absl::StatusOr<std::unique_ptr<PackedMatrix>> Pack(MatmulContext& context, const Product& p) {
  return PackedMatrix::Create(
      context, p.outputs, p.inputs, p.dtype, [&](int64_t row, int64_t num_rows, float* out) {
        std::copy_n(p.weights.begin() + row * p.inputs, num_rows * p.inputs, out);
        return absl::OkStatus();
      });
}

using Calls = std::vector<std::pair<int64_t, int64_t>>;

// Rows [first, first + rows) of the product. Operands of exactly these rows, so that a read beyond
// is seen by AddressSanitizer; a write beyond is seen here.
std::vector<float> RunRows(PackedMatrix& matrix, const Product& p, int64_t first, int64_t rows,
                           Calls* calls = nullptr) {
  const auto row_bytes = static_cast<size_t>(p.inputs * WeightDtypeBytes(p.dtype));
  const auto begin = p.x_bytes.begin() + static_cast<ptrdiff_t>(first) * row_bytes;
  const std::vector<std::byte> x(begin, begin + static_cast<ptrdiff_t>(rows) * row_bytes);
  const auto size = static_cast<size_t>(rows * p.outputs);
  std::vector<float> y(size + 16, kUnwritten);
  const absl::Status status =
      matrix.Run(rows, x.data(), y.data(), [&](int64_t row, int64_t call_rows) {
        if (calls != nullptr) calls->push_back({row, call_rows});
      });
  EXPECT_TRUE(status.ok()) << status;
  for (size_t i = size; i < y.size(); ++i) EXPECT_EQ(y[i], kUnwritten);
  y.resize(size);
  return y;
}

struct Expected {
  std::vector<double> y;       // [rows, outputs]
  std::vector<double> bounds;  // [rows, outputs]
};

Expected Multiply(const Product& p, int64_t rows) {
  Expected expected;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t output = 0; output < p.outputs; ++output) {
      const double* w = p.rounded_weights.data() + output * p.inputs;
      const double* x = p.x.data() + row * p.inputs;
      double sum = 0;
      double abs_sum = 0;
      for (int64_t i = 0; i < p.inputs; ++i) {
        sum += w[i] * x[i];
        abs_sum += std::abs(w[i] * x[i]);
      }
      expected.y.push_back(sum);
      expected.bounds.push_back(DotErrorBound(p.inputs, abs_sum, kF32Precision));
    }
  }
  return expected;
}

double WorstRatio(const Expected& expected, absl::Span<const float> y) {
  double worst = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const double ratio = std::abs(y[i] - expected.y[i]) / expected.bounds[i];
    worst = std::isnan(ratio) ? std::numeric_limits<double>::infinity() : std::max(worst, ratio);
  }
  return worst;
}

class MatmulTest : public testing::TestWithParam<WeightDtype> {
 protected:
  void SetUp() override {
    for (const int threads : {1, 2}) {
      auto context = MatmulContext::Create(threads);
      ASSERT_TRUE(context.ok()) << context.status();
      contexts_.push_back(*std::move(context));
    }
    const auto probe = contexts_[0]->Probe(8, 8, GetParam());
    if (!probe.ok()) GTEST_SKIP() << probe.status();
  }
  std::vector<std::unique_ptr<MatmulContext>> contexts_;  // of 1 and 2 threads
};

// Every size of the list as outputs and as inputs, beside others.
constexpr int64_t kSizes[] = {1, 3, 15, 16, 17, 63, 64, 65, 172, 255, 256, 257, 344};

TEST_P(MatmulTest, MatchesTheProductInDoubleForEveryNumberOfRows) {
  constexpr size_t kCount = std::size(kSizes);
  std::vector<int64_t> all_rows = {511, 512, 513, kMostRows};
  for (int64_t rows = 1; rows <= 70; ++rows) all_rows.push_back(rows);
  for (size_t i = 0; i < 3 * kCount; ++i) {
    // Three different partners for each size.
    const int64_t inputs = kSizes[(i * 5 + i / kCount * 4) % kCount];
    const Product p = MakeProduct(kSizes[i % kCount], inputs, GetParam(), kMostRows);
    SCOPED_TRACE(testing::Message() << "[" << p.outputs << ", " << p.inputs << "]");
    auto matrix = Pack(*contexts_[i % 2], p);
    ASSERT_TRUE(matrix.ok()) << matrix.status();
    EXPECT_EQ((*matrix)->outputs(), p.outputs);
    EXPECT_EQ((*matrix)->inputs(), p.inputs);
    EXPECT_EQ((*matrix)->element_bytes_read(), p.outputs * p.inputs * WeightDtypeBytes(p.dtype));
    EXPECT_GE((*matrix)->packed_bytes(), (*matrix)->element_bytes_read());
    const Expected expected = Multiply(p, kMostRows);
    for (const int64_t rows : all_rows) {
      ASSERT_LE(WorstRatio(expected, RunRows(**matrix, p, 0, rows)), 1.0) << rows << " rows";
    }
  }
}

TEST_P(MatmulTest, NoticesALostTerm) {
  Product p = MakeProduct(16, 64, GetParam(), 1);
  auto matrix = Pack(*contexts_[0], p);
  ASSERT_TRUE(matrix.ok()) << matrix.status();
  const std::vector<float> y = RunRows(**matrix, p, 0, 1);
  EXPECT_LE(WorstRatio(Multiply(p, 1), y), 1.0);
  p.rounded_weights[5] = 0;
  EXPECT_GT(WorstRatio(Multiply(p, 1), y), 1.0);
}

TEST_P(MatmulTest, OneCallTakes512Rows) {
  const Product p = MakeProduct(17, 15, GetParam(), 1100);
  auto matrix = Pack(*contexts_[0], p);
  ASSERT_TRUE(matrix.ok()) << matrix.status();
  const std::vector<std::pair<int64_t, Calls>> cases = {{0, {}},
                                                        {1, {{0, 1}}},
                                                        {31, {{0, 31}}},
                                                        {32, {{0, 32}}},
                                                        {33, {{0, 33}}},
                                                        {63, {{0, 63}}},
                                                        {64, {{0, 64}}},
                                                        {511, {{0, 511}}},
                                                        {512, {{0, 512}}},
                                                        {513, {{0, 512}, {512, 1}}},
                                                        {545, {{0, 512}, {512, 33}}},
                                                        {600, {{0, 512}, {512, 88}}},
                                                        {1100, {{0, 512}, {512, 512}, {1024, 76}}}};
  for (const auto& [rows, expected] : cases) {
    Calls calls;
    RunRows(**matrix, p, 0, rows, &calls);
    EXPECT_EQ(calls, expected) << rows << " rows";
  }
}

// Law 1 rests on this.
TEST_P(MatmulTest, ARowHasTheSameBitsInEveryNumberOfRows) {
  for (const auto& [outputs, inputs] : {std::pair(65, 64), std::pair(48, 344)}) {
    const Product p = MakeProduct(outputs, inputs, GetParam(), kMostRows);
    auto one = Pack(*contexts_[0], p);
    auto two = Pack(*contexts_[1], p);
    ASSERT_TRUE(one.ok() && two.ok()) << one.status() << two.status();
    if (!(*one)->rows_independent()) {
      GTEST_SKIP() << "rows differ with their number as " << (*one)->implementation();
    }
    const std::vector<float> expected = RunRows(**one, p, 0, kMostRows);
    const auto same = [&](int64_t first, absl::Span<const float> y) {
      return std::memcmp(y.data(), expected.data() + first * p.outputs, y.size() * sizeof(float)) ==
             0;
    };
    for (int64_t rows = 1; rows <= 513; ++rows) {
      const int64_t first = (kMostRows - rows) / 2;  // anywhere among the rows
      EXPECT_TRUE(same(0, RunRows(**one, p, 0, rows))) << rows << " rows";
      EXPECT_TRUE(same(first, RunRows(**two, p, first, rows))) << rows << " rows, two threads";
    }
  }
}

// The library cuts many inputs apart, and has other calls for few outputs.
TEST_P(MatmulTest, ARowOfManyInputsHasTheSameBitsOnAnyNumberOfThreads) {
  auto eight = MatmulContext::Create(8);
  ASSERT_TRUE(eight.ok()) << eight.status();
  contexts_.push_back(*std::move(eight));
  for (const auto& [outputs, inputs] :
       {std::pair(7, 40), std::pair(400, 545), std::pair(130, 1100), std::pair(400, 3072)}) {
    const Product p = MakeProduct(outputs, inputs, GetParam(), kMatmulCallRows);
    std::vector<float> expected;
    for (const auto& context : contexts_) {
      auto matrix = Pack(*context, p);
      ASSERT_TRUE(matrix.ok()) << matrix.status();
      if (!(*matrix)->rows_independent()) {
        GTEST_SKIP() << "rows differ with their number as " << (*matrix)->implementation();
      }
      for (const int64_t rows : {512, 1, 2, 8, 16, 31, 32, 96, 160, 288, 480}) {
        const std::vector<float> y = RunRows(**matrix, p, 0, rows);
        if (expected.empty()) expected = y;
        EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)), 0)
            << "[" << outputs << ", " << inputs << "], " << rows << " rows, " << context->threads()
            << " threads";
      }
    }
  }
}

TEST_P(MatmulTest, MatchesTheProductInDoubleForManyInputs) {
  const Product p = MakeProduct(70, 2300, GetParam(), 33);
  const Expected expected = Multiply(p, 33);
  for (const auto& context : contexts_) {
    auto matrix = Pack(*context, p);
    ASSERT_TRUE(matrix.ok()) << matrix.status();
    for (const int64_t rows : {1, 20, 33}) {
      EXPECT_LE(WorstRatio(expected, RunRows(**matrix, p, 0, rows)), 1.0) << rows << " rows";
    }
  }
}

TEST_P(MatmulTest, RoundsWeightsToNearestEven) {
  // A diagonal matrix of ties and near-ties, times ones: the weights as they were rounded.
  const std::vector<float> weights = {
      1 + 0x1p-8F,    1 + 0x3p-8F, 1 + 0x1.8p-8F, -(1 + 0x1p-8F), -(1 + 0x3p-8F), 1 + 0x1.01p-8F,
      1 + 0x0.FFp-8F, 0.1F,        3.14159265F,   -0.0F,          65504.0F,       1e30F};
  const auto size = static_cast<int64_t>(weights.size());
  Product p = MakeProduct(size, size, GetParam(), size);
  std::fill(p.weights.begin(), p.weights.end(), 0.0F);
  for (size_t i = 0; i < weights.size(); ++i) p.weights[i * weights.size() + i] = weights[i];
  const uint32_t one = GetParam() == WeightDtype::kF32 ? 0x3F800000 : 0x3F80;
  const auto bytes = static_cast<size_t>(WeightDtypeBytes(GetParam()));
  for (size_t i = 0; i < p.x.size(); ++i) std::memcpy(&p.x_bytes[i * bytes], &one, bytes);
  auto matrix = Pack(*contexts_[0], p);
  ASSERT_TRUE(matrix.ok()) << matrix.status();
  const std::vector<float> y = RunRows(**matrix, p, 0, 1);
  for (size_t i = 0; i < weights.size(); ++i) {
    EXPECT_EQ(y[i], RoundToFormat(FormatOf(GetParam()), weights[i])) << weights[i];
  }
}

TEST_P(MatmulTest, PassesTheErrorOfTheRowSourceOn) {
  int64_t rows_asked = 0;
  const auto matrix = PackedMatrix::Create(*contexts_[0], 300, 8, GetParam(),
                                           [&](int64_t row, int64_t num_rows, float* out) {
                                             rows_asked += num_rows;
                                             if (row + num_rows > 100) {
                                               return absl::DataLossError("row 100 is gone");
                                             }
                                             std::fill_n(out, num_rows * 8, 0.0F);
                                             return absl::OkStatus();
                                           });
  EXPECT_EQ(matrix.status(), absl::DataLossError("row 100 is gone"));
  EXPECT_LT(rows_asked, 300);  // nothing is read after an error
}

INSTANTIATE_TEST_SUITE_P(Dtypes, MatmulTest, testing::Values(WeightDtype::kF32, WeightDtype::kBf16),
                         [](const auto& test) { return std::string(WeightDtypeName(test.param)); });

}  // namespace
}  // namespace plumbline::matmul_test
