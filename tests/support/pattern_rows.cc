#include "tests/support/pattern_rows.h"

#include <vector>

#include "gtest/gtest.h"

namespace plumbline {
namespace {

// Only Q8_0 rounds these values: half a step of 8/127, and its scale's rounding to F16.
float Tolerance(TensorType type) {
  return type == TensorType::kQ8_0 ? 8.0F / 127 / 2 + 8 * 0x1p-11F : 0.0F;
}

}  // namespace

float PatternElement(int64_t row, int64_t column) {
  return static_cast<float>((row + column) % 16 - 8);
}

GgufWriter::RowSource PatternRows(int64_t row_elements) {
  return [row_elements](int64_t row, int64_t num_rows, float* out) {
    for (int64_t r = 0; r < num_rows; ++r) {
      for (int64_t c = 0; c < row_elements; ++c) {
        out[r * row_elements + c] = PatternElement(row + r, c);
      }
    }
    return absl::OkStatus();
  };
}

void ExpectPattern(const GgufTensor& tensor) {
  const int64_t width = tensor.row_elements();
  std::vector<float> values(static_cast<size_t>(tensor.rows() * width));
  DequantizeRow(tensor.type, tensor.data.data(), tensor.rows() * width, values.data());
  for (int64_t i = 0; i < tensor.rows() * width; ++i) {
    ASSERT_NEAR(values[static_cast<size_t>(i)], PatternElement(i / width, i % width),
                Tolerance(tensor.type))
        << tensor.name << " element " << i;
  }
}

}  // namespace plumbline
