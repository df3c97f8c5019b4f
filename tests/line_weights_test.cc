// Packing is no matter of what multiplies: it is tested on every machine.
#include "engine/line_weights.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace plumbline::line_weights_test {
namespace {

// Around a line of 16 outputs, columns of 32 and 64, a pair of columns of 32 and a run of 64 bytes;
// odd numbers of 4-byte words.
constexpr TileShape kShapes[] = {{1, 1}, {15, 31}, {64, 64}, {70, 33}, {129, 130}, {200, 517}};

// Multiples of 1/4 up to 32: exact in bf16.
std::vector<float> Numbers(int64_t count) {
  std::mt19937_64 random(static_cast<uint64_t>(count));
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float& x : numbers) x = static_cast<float>(static_cast<int>(random() % 255) - 127) / 4;
  return numbers;
}

// W row by row in the dtype, by one row after another.
std::vector<std::byte> Plain(const TileShape& shape, const std::vector<float>& w) {
  std::vector<std::byte> plain(static_cast<size_t>(shape.outputs * shape.row_bytes()));
  float scale = 0;
  int32_t offset = 0;
  for (int64_t output = 0; output < shape.outputs; ++output) {
    const float* const row = w.data() + output * shape.inputs;
    std::byte* const to = plain.data() + output * shape.row_bytes();
    if (shape.dtype == WeightDtype::kInt8) {
      QuantizeWeights(shape.inputs, row, to, &scale, &offset);
      continue;
    }
    // bf16: the upper halves of floats that have nothing in the lower.
    const size_t bytes = shape.dtype == WeightDtype::kBf16 ? 2 : 4;
    for (size_t i = 0; i < static_cast<size_t>(shape.inputs); ++i) {
      std::memcpy(to + i * bytes, reinterpret_cast<const std::byte*>(row + i) + 4 - bytes, bytes);
    }
  }
  return plain;
}

// A layout as its users' headers say it.
struct Packing {
  std::string name;
  LineLayout (*layout)(const TileShape& shape);
  int64_t (*bytes)(const TileShape& shape);
  // Where byte `byte` of an output's row lies.
  int64_t (*place)(const TileShape& shape, int64_t output, int64_t byte);
};

// [columns, runs, 2, 16, 16, 4 bytes], an even number of columns.
int64_t TileBytesOf(const TileShape& shape) {
  return (shape.outputs + 63) / 64 * shape.runs() * 4096;
}
int64_t TilePlace(const TileShape& shape, int64_t output, int64_t byte) {
  const int64_t tile = (output / 32 * shape.runs() + byte / 64) * 2 + output % 32 / 16;
  return ((tile * 16 + byte % 64 / 4) * 16 + output % 16) * 4 + byte % 4;
}

// [columns, words, 64, 4 bytes], words a multiple of 16.
int64_t Words(const TileShape& shape) { return (shape.row_bytes() + 63) / 64 * 16; }
int64_t ColumnBytesOf(const TileShape& shape) {
  return (shape.outputs + 63) / 64 * Words(shape) * 256;
}
int64_t ColumnPlace(const TileShape& shape, int64_t output, int64_t byte) {
  return ((output / 64 * Words(shape) + byte / 4) * 64 + output % 64) * 4 + byte % 4;
}

const Packing kTilePacking = {"Tiles", TileLines, TileBytesOf, TilePlace};
const Packing kColumnPacking = {"Columns", ColumnLines, ColumnBytesOf, ColumnPlace};

using Case = std::pair<Packing, WeightDtype>;
class ReadLineWeightsTest : public testing::TestWithParam<Case> {
 protected:
  absl::Status Read(const TileShape& shape, int threads, WeightRowSource rows) {
    return ReadLineWeights(shape, GetParam().first.layout(shape), threads, rows, memory_,
                           &weights_);
  }
  // Every byte of the room: those of W, and zeros.
  void ExpectInPlace(const TileShape& shape, const std::vector<std::byte>& plain) const {
    const Packing& packing = GetParam().first;
    std::vector<std::byte> wanted(static_cast<size_t>(packing.bytes(shape)));
    for (int64_t output = 0; output < shape.outputs; ++output) {
      for (int64_t byte = 0; byte < shape.row_bytes(); ++byte) {
        wanted[packing.place(shape, output, byte)] = plain[output * shape.row_bytes() + byte];
      }
    }
    ASSERT_EQ(weights_.packed.bytes(), static_cast<int64_t>(wanted.size()));
    EXPECT_EQ(std::memcmp(weights_.packed.get(), wanted.data(), wanted.size()), 0);
  }

  LineWeights weights_;

 private:
  WeightMemory memory_;
};

TEST_P(ReadLineWeightsTest, PutsEveryByteInItsPlaceOnAnyNumberOfThreads) {
  for (TileShape shape : kShapes) {
    shape.dtype = GetParam().second;
    const std::vector<float> w = Numbers(shape.outputs * shape.inputs);
    const std::vector<std::byte> plain = Plain(shape, w);
    for (const int threads : {1, 2, 3}) {
      SCOPED_TRACE(testing::Message()
                   << shape.outputs << " x " << shape.inputs << ", " << threads << " threads");
      const absl::Status status =
          Read(shape, threads, [&](int64_t row, int64_t num_rows, float* out) {
            std::copy_n(w.begin() + row * shape.inputs, num_rows * shape.inputs, out);
            return absl::OkStatus();
          });
      ASSERT_TRUE(status.ok()) << status;
      ExpectInPlace(shape, plain);
    }
  }
}

TEST_P(ReadLineWeightsTest, PassesErrorsOn) {
  const absl::Status status = Read({100, 8, GetParam().second}, 2, [](int64_t, int64_t, float*) {
    return absl::DataLossError("the rows are gone");
  });
  EXPECT_EQ(status, absl::DataLossError("the rows are gone"));
}

std::string NameOf(const testing::TestParamInfo<Case>& info) {
  return info.param.first.name + "_" + std::string(WeightDtypeName(info.param.second));
}

INSTANTIATE_TEST_SUITE_P(Layouts, ReadLineWeightsTest,
                         testing::Values(Case(kTilePacking, WeightDtype::kBf16),
                                         Case(kTilePacking, WeightDtype::kInt8),
                                         Case(kColumnPacking, WeightDtype::kF32),
                                         Case(kColumnPacking, WeightDtype::kBf16),
                                         Case(kColumnPacking, WeightDtype::kInt8)),
                         NameOf);

}  // namespace
}  // namespace plumbline::line_weights_test
