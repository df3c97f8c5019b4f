// Matrices read by several threads: every row once, the same bytes as from one thread, and of
// several errors always the same.
#include "engine/weight_rows.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace plumbline::weight_rows_test {
namespace {

struct Matrix {
  int64_t outputs, inputs;
  std::vector<float> w;

  Matrix(int64_t num_outputs, int64_t num_inputs) : outputs(num_outputs), inputs(num_inputs) {
    std::mt19937_64 random(static_cast<uint64_t>(outputs * 31 + inputs));
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < outputs * inputs; ++i) w.push_back(normal(random));
  }
  absl::Status Read(int64_t row, int64_t num_rows, float* out) const {
    std::copy_n(w.begin() + row * inputs, num_rows * inputs, out);
    return absl::OkStatus();
  }
};

constexpr int64_t kOutputs[] = {1, 15, 16, 17, 70, 1000};

TEST(ForWeightRowsTest, HandsOnEveryRowOnce) {
  for (const int64_t outputs : kOutputs) {
    const Matrix matrix(outputs, 7);
    for (const int threads : {1, 2, 3}) {
      SCOPED_TRACE(testing::Message() << outputs << " rows, " << threads << " threads");
      std::vector<float> got(matrix.w.size(), std::numeric_limits<float>::quiet_NaN());
      std::vector<int> times(static_cast<size_t>(outputs));
      const absl::Status status = ForWeightRows(
          outputs, 7, threads,
          [&](int64_t row, int64_t count, float* out) { return matrix.Read(row, count, out); },
          [&](int64_t row, int64_t count, const float* w, int thread) {
            EXPECT_EQ(row % kRowsAtOnce, 0);
            EXPECT_LT(thread, threads);
            for (int64_t i = 0; i < count; ++i) ++times[static_cast<size_t>(row + i)];
            std::copy_n(w, count * 7, got.begin() + row * 7);
          });
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_EQ(std::count(times.begin(), times.end(), 1), outputs);
      EXPECT_EQ(got, matrix.w);
    }
  }
}

TEST(ForWeightRowsTest, GivesTheErrorOfTheFirstRowThatHasOne) {
  for (const int threads : {1, 2, 3}) {
    for (int i = 0; i < 50; ++i) {
      const absl::Status status = ForWeightRows(
          1000, 3, threads,
          [](int64_t row, int64_t, float*) {
            if (row < 320) return absl::OkStatus();
            return absl::DataLossError(absl::StrCat("row ", row));
          },
          [](int64_t row, int64_t, const float*, int) { EXPECT_LT(row, 320); });
      ASSERT_EQ(status, absl::DataLossError("row 320")) << threads << " threads";
    }
  }
}

// What one row after another gives. `scales` and `offsets` stay empty but in int8.
void Reference(const Matrix& matrix, WeightDtype dtype, std::vector<std::byte>* elements,
               Int8Channels* channels) {
  const int64_t row_bytes = WeightRowBytes(dtype, matrix.inputs);
  elements->resize(static_cast<size_t>(matrix.outputs * row_bytes));
  for (int64_t output = 0; output < matrix.outputs; ++output) {
    const float* const w = matrix.w.data() + output * matrix.inputs;
    std::byte* const out = elements->data() + output * row_bytes;
    if (dtype == WeightDtype::kF32) {
      std::memcpy(out, w, static_cast<size_t>(row_bytes));
    } else if (dtype == WeightDtype::kInt8) {
      QuantizeWeights(matrix.inputs, w, out, &channels->scales.emplace_back(),
                      &channels->offsets.emplace_back());
    } else {
      for (int64_t i = 0; i < matrix.inputs; ++i) {
        uint32_t bits = 0;
        std::memcpy(&bits, w + i, sizeof(bits));
        const auto rounded = static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
        std::memcpy(out + i * 2, &rounded, sizeof(rounded));
      }
    }
  }
}

TEST(ReadWeightsTest, GivesTheSameBytesOnAnyNumberOfThreads) {
  for (const WeightDtype dtype : {WeightDtype::kF32, WeightDtype::kBf16, WeightDtype::kInt8}) {
    for (const int64_t outputs : kOutputs) {
      const Matrix matrix(outputs, 37);
      std::vector<std::byte> elements;
      Int8Channels channels;
      Reference(matrix, dtype, &elements, &channels);
      for (const int threads : {1, 2, 3}) {
        SCOPED_TRACE(testing::Message() << WeightDtypeName(dtype) << ", " << outputs << " rows, "
                                        << threads << " threads");
        PlainWeights weights;
        const absl::Status status = ReadWeights(
            outputs, 37, dtype, threads,
            [&](int64_t row, int64_t count, float* out) { return matrix.Read(row, count, out); },
            &weights);
        ASSERT_TRUE(status.ok()) << status;
        EXPECT_EQ(std::memcmp(weights.elements.get(), elements.data(), elements.size()), 0);
        EXPECT_EQ(weights.channels.scales, channels.scales);
        EXPECT_EQ(weights.channels.offsets, channels.offsets);
      }
    }
  }
}

TEST(ReadQ4WeightsTest, GivesTheSameWeightsOnAnyNumberOfThreads) {
  for (const int64_t outputs : {1, 17, 70}) {
    const Matrix matrix(outputs, 75);
    WeightMemory memory;
    Q4Matrix wanted(outputs, 75, memory);
    std::vector<float> scales;
    for (int64_t output = 0; output < outputs; ++output) {
      Q4Row row;
      QuantizeQ4Row(absl::MakeConstSpan(matrix.w).subspan(output * 75, 75), &row);
      wanted.SetRow(output, row);
      scales.push_back(row.scale);
    }
    for (const int threads : {1, 2, 3}) {
      SCOPED_TRACE(testing::Message() << outputs << " rows, " << threads << " threads");
      Q4Weights weights;
      const absl::Status status = ReadQ4Weights(
          outputs, 75, threads,
          [&](int64_t row, int64_t count, float* out) { return matrix.Read(row, count, out); },
          memory, &weights);
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_EQ(weights.channels.scales, scales);
      for (int64_t tile = 0; tile < Q4Tiles(outputs); ++tile) {
        const auto bytes = static_cast<size_t>(Q4Blocks(75) * kQ4TileBlockBytes);
        EXPECT_EQ(std::memcmp(weights.matrix.nibbles(tile), wanted.nibbles(tile), bytes), 0);
        EXPECT_EQ(std::memcmp(weights.matrix.scales(tile), wanted.scales(tile),
                              static_cast<size_t>(Q4Blocks(75) * kQ4TileOutputs)),
                  0);
      }
    }
  }
}

}  // namespace
}  // namespace plumbline::weight_rows_test
