// Packing is no matter of tiles: it is tested on every machine.
#include "engine/tile_weights.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace plumbline::tile_weights_test {
namespace {

struct Shape {
  int64_t outputs, inputs;
};
// Around a tile of 16 outputs, a pair of columns of 32 and a run of 64 bytes; odd numbers of 4-byte
// words.
constexpr Shape kShapes[] = {{1, 1}, {15, 31}, {64, 64}, {70, 33}, {129, 130}, {200, 517}};

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
    // The upper halves of floats that have nothing in the lower.
    for (int64_t i = 0; i < shape.inputs; ++i) {
      std::memcpy(to + i * 2, reinterpret_cast<const std::byte*>(row + i) + 2, 2);
    }
  }
  return plain;
}

// Byte `byte` of an output's row, at the place in [columns, runs, 2, 16, 16, 4 bytes] that is its
// own.
std::byte PackedByte(const TileShape& shape, const TileWeights& weights, int64_t output,
                     int64_t byte) {
  const int64_t tile = (output / 32 * shape.runs() + byte / 64) * 2 + output % 32 / 16;
  return weights.packed[((tile * 16 + byte % 64 / 4) * 16 + output % 16) * 4 + byte % 4];
}

class ReadTileWeightsTest : public testing::TestWithParam<WeightDtype> {};

TEST_P(ReadTileWeightsTest, PutsEveryByteWhereTheTilesReadItOnAnyNumberOfThreads) {
  for (const auto& [outputs, inputs] : kShapes) {
    const TileShape shape = {outputs, inputs, GetParam()};
    const std::vector<float> w = Numbers(outputs * inputs);
    const std::vector<std::byte> plain = Plain(shape, w);
    for (const int threads : {1, 2, 3}) {
      SCOPED_TRACE(testing::Message() << outputs << " x " << inputs << ", " << threads);
      TileWeights weights;
      WeightMemory memory;
      const absl::Status status = ReadTileWeights(
          shape, threads,
          [&, columns = inputs](int64_t row, int64_t num_rows, float* out) {
            std::copy_n(w.begin() + row * columns, num_rows * columns, out);
            return absl::OkStatus();
          },
          memory, &weights);
      ASSERT_TRUE(status.ok()) << status;
      ASSERT_EQ(weights.packed.bytes(), (outputs + 63) / 64 * shape.runs() * 4096);
      for (int64_t output = 0; output < (outputs + 63) / 64 * 64; ++output) {
        for (int64_t byte = 0; byte < shape.runs() * 64; ++byte) {
          const bool real = output < outputs && byte < shape.row_bytes();
          const std::byte wanted = real ? plain[output * shape.row_bytes() + byte] : std::byte{0};
          ASSERT_EQ(PackedByte(shape, weights, output, byte), wanted) << output << ", " << byte;
        }
      }
    }
  }
}

TEST_P(ReadTileWeightsTest, PassesErrorsOn) {
  TileWeights weights;
  WeightMemory memory;
  const absl::Status status = ReadTileWeights(
      {100, 8, GetParam()}, 2,
      [](int64_t, int64_t, float*) { return absl::DataLossError("the rows are gone"); }, memory,
      &weights);
  EXPECT_EQ(status, absl::DataLossError("the rows are gone"));
}

INSTANTIATE_TEST_SUITE_P(Dtypes, ReadTileWeightsTest,
                         testing::Values(WeightDtype::kBf16, WeightDtype::kInt8));

}  // namespace
}  // namespace plumbline::tile_weights_test
