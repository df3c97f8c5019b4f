// A few rows from the library's layout: against products in double of weights laid out here by
// hand, and bit for bit against the library's own calls.
#include "engine/matmul_columns.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/machine.h"
#include "engine/matmul.h"
#include "engine/matmul_tiles.h"
#include "gtest/gtest.h"
#include "tests/reference/error_bounds.h"
#include "tests/support/float_format.h"

namespace plumbline::matmul_columns_test {
namespace {

bool CpuMultiplies(WeightDtype dtype) {
  const Machine machine = DetectMachine();
  const bool vectors = machine.Has("avx512f") && machine.Has("avx512bw");
  if (dtype == WeightDtype::kBf16) return vectors && HasFastBf16();
  return vectors && (dtype == WeightDtype::kF32 || machine.Has("avx512_vnni"));
}

// A number of the dtype (int8: s8, or u8 where `of_x`) and its bytes.
double Draw(WeightDtype dtype, bool of_x, std::mt19937_64& random, std::byte* out) {
  if (dtype == WeightDtype::kInt8) {
    const int value = std::uniform_int_distribution<int>(of_x ? 0 : -127, of_x ? 255 : 127)(random);
    *out = static_cast<std::byte>(value);
    return value;
  }
  const FloatFormat format = dtype == WeightDtype::kF32 ? kF32Format : kBf16Format;
  const double value = RoundToFormat(format, std::normal_distribution<float>()(random));
  const auto single = static_cast<float>(value);
  uint32_t bits = 0;
  std::memcpy(&bits, &single, sizeof(bits));
  if (dtype == WeightDtype::kBf16) bits >>= 16;
  std::memcpy(out, &bits, static_cast<size_t>(WeightDtypeBytes(dtype)));
  return value;
}

struct Operands {
  WeightDtype dtype;
  int64_t outputs, inputs, rows;
  std::vector<double> w, x;       // [outputs, inputs], [rows, inputs]
  std::vector<std::byte> packed;  // w as matmul_columns.h says, zeros beyond
  std::vector<std::byte> x_bytes;

  Operands(WeightDtype type, int64_t num_outputs, int64_t num_inputs, int64_t num_rows)
      : dtype(type), outputs(num_outputs), inputs(num_inputs), rows(num_rows) {
    std::mt19937_64 random(static_cast<uint64_t>(outputs * 31 + inputs));
    const int64_t bytes = WeightDtypeBytes(dtype);
    const int64_t together = 4 / bytes;  // inputs of a word
    const int64_t words = (inputs + 16 * together - 1) / (16 * together) * 16;
    packed.resize(static_cast<size_t>((outputs + 63) / 64 * words * 256));
    for (int64_t output = 0; output < outputs; ++output) {
      for (int64_t i = 0; i < inputs; ++i) {
        const int64_t word = output / 64 * words + i / together;
        w.push_back(Draw(dtype, false, random,
                         &packed[word * 256 + output % 64 * 4 + i % together * bytes]));
      }
    }
    x_bytes.resize(static_cast<size_t>(rows * inputs * bytes));
    for (int64_t i = 0; i < rows * inputs; ++i) {
      x.push_back(Draw(dtype, true, random, &x_bytes[i * bytes]));
    }
  }
};

class MatmulColumnsTest : public testing::TestWithParam<WeightDtype> {
 protected:
  void SetUp() override {
    if (!CpuMultiplies(GetParam())) GTEST_SKIP() << "this CPU lacks the vectors";
  }
};

// Inputs around a block of words and the ends of chunks; outputs around vectors and columns; rows
// around what stays in registers.
TEST_P(MatmulColumnsTest, MatchesTheProductInDouble) {
  for (const int64_t outputs : {1, 16, 63, 64, 65, 200}) {
    for (const int64_t inputs : {4, 60, 64, 68, 512, 516, 1024, 1028, 2052}) {
      const Operands o(GetParam(), outputs, inputs, kMostColumnRows);
      for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8}) {
        std::vector<uint32_t> y(static_cast<size_t>(rows * outputs + 1), 0x7fc00000);
        auto* const room = reinterpret_cast<float*>(y.data());
        std::atomic<int64_t> given = 0;
        MultiplyColumns(
            {o.dtype, outputs, inputs, 2, o.packed.data(), rows, o.x_bytes.data(), room},
            [&](const ResultBlock& block) {
              EXPECT_EQ(block.values, room + block.row * outputs + block.output);
              EXPECT_EQ(block.stride, outputs);
              given += block.rows * block.outputs;
            });
        EXPECT_EQ(given, rows * outputs);
        EXPECT_EQ(y.back(), 0x7fc00000) << "wrote behind the results";
        for (int64_t at = 0; at < rows * outputs; ++at) {
          double sum = 0;
          double abs_sum = 0;
          for (int64_t i = 0; i < inputs; ++i) {
            const double product = o.w[at % outputs * inputs + i] * o.x[at / outputs * inputs + i];
            sum += product;
            abs_sum += std::abs(product);
          }
          const bool whole = o.dtype == WeightDtype::kInt8;
          float single = 0;
          int32_t integer = 0;
          std::memcpy(&single, &y[at], sizeof(single));
          std::memcpy(&integer, &y[at], sizeof(integer));
          ASSERT_LE(std::abs((whole ? integer : static_cast<double>(single)) - sum),
                    whole ? 0 : DotErrorBound(inputs, abs_sum, kF32Precision))
              << outputs << " outputs, " << inputs << " inputs, " << rows << " rows, at " << at;
        }
      }
    }
  }
}

TEST_P(MatmulColumnsTest, ARowThatIsNoNumberSpoilsNoOther) {
  if (GetParam() == WeightDtype::kInt8) GTEST_SKIP() << "all rows of int8 are numbers";
  Operands o(GetParam(), 70, 44, 8);
  const auto run = [&] {
    std::vector<float> y(8 * 70);
    MultiplyColumns({o.dtype, 70, 44, 1, o.packed.data(), 8, o.x_bytes.data(), y.data()},
                    [](const ResultBlock&) {});
    return y;
  };
  const std::vector<float> clean = run();
  const auto row_bytes = static_cast<ptrdiff_t>(o.x_bytes.size() / 8);
  std::fill_n(o.x_bytes.begin() + 3 * row_bytes, row_bytes, std::byte{0xff});
  std::vector<float> y = run();
  for (int output = 0; output < 70; ++output) EXPECT_TRUE(std::isnan(y[3 * 70 + output]));
  std::copy_n(clean.begin() + 210, 70, y.begin() + 210);
  EXPECT_EQ(y, clean);
}

// Law 1 rests on this where steps of a few rows run here, and longer ones in the library's calls.
TEST_P(MatmulColumnsTest, GivesTheBitsOfTheLibrarysCalls) {
  if (MultipliesInTiles(GetParam())) GTEST_SKIP() << "this dtype runs in tiles here";
  auto context = MatmulContext::Create(2);
  ASSERT_TRUE(context.ok()) << context.status();
  for (const auto& [outputs, inputs] :
       {std::pair(64, 64), std::pair(200, 45), std::pair(130, 5632), std::pair(1000, 772)}) {
    const Operands o(GetParam(), outputs, inputs, 40);
    const auto rows_of = [&](int64_t row, int64_t count, float* out) {
      std::copy_n(o.w.begin() + row * o.inputs, count * o.inputs, out);
      return absl::OkStatus();
    };
    std::vector<std::vector<float>> results;
    for (const MatmulPath path : {MatmulPath::kFastest, MatmulPath::kLibrary}) {
      const auto matrix =
          PackedMatrix::Create(**context, outputs, inputs, GetParam(), rows_of, path);
      if (!matrix.ok()) GTEST_SKIP() << matrix.status();
      if (!(*matrix)->rows_independent()) GTEST_SKIP() << (*matrix)->implementation();
      for (const int64_t rows : {1, 2, 5, 6, 7, 8, 9, 40}) {
        results.emplace_back(static_cast<size_t>(rows * outputs));
        ASSERT_TRUE(
            (*matrix)
                ->Run(rows, o.x_bytes.data(), results.back().data(), [](int64_t, int64_t) {})
                .ok());
      }
    }
    for (size_t i = 0; i < results.size() / 2; ++i) {
      const std::vector<float>& library = results[results.size() / 2 + i];
      EXPECT_EQ(std::memcmp(results[i].data(), library.data(), library.size() * sizeof(float)), 0)
          << "[" << outputs << ", " << inputs << "], " << library.size() / outputs << " rows";
      EXPECT_EQ(std::memcmp(library.data(), results.back().data(), library.size() * sizeof(float)),
                0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes, MatmulColumnsTest,
                         testing::Values(WeightDtype::kF32, WeightDtype::kBf16, WeightDtype::kInt8),
                         [](const testing::TestParamInfo<WeightDtype>& test) {
                           return std::string(WeightDtypeName(test.param));
                         });

}  // namespace
}  // namespace plumbline::matmul_columns_test
