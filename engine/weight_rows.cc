#include "engine/weight_rows.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/ops.h"
#include "engine/parallel.h"

namespace plumbline {
namespace {

constexpr int64_t kRowsAtOnce = 64;  // of a weight matrix being read

void RoundWeights(WeightDtype dtype, int64_t inputs, const float* row, std::byte* out,
                  Int8Channels* channels) {
  if (dtype == WeightDtype::kInt8) {
    QuantizeWeights(inputs, row, out, channels);
  } else {
    RoundRow(static_cast<int>(inputs), row, dtype, out);
  }
}

absl::Status CheckWidth(int64_t inputs, WeightDtype dtype) {
  if (!IsWhole(dtype) || inputs <= kInt8MostInputs) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a matrix of ", inputs, " inputs is too wide for ",
                                                 WeightDtypeName(dtype), ", whose sums hold ",
                                                 kInt8MostInputs, ": run it as bf16 or f32"));
}

// Calls read(row, count, floats) for some rows at a time.
template <class Read>
absl::Status ReadSomeRows(int64_t outputs, int64_t inputs, WeightRowSource rows, const Read& read) {
  std::vector<float> buffer(kRowsAtOnce * inputs);
  for (int64_t row = 0; row < outputs; row += kRowsAtOnce) {
    const int64_t count = std::min(kRowsAtOnce, outputs - row);
    absl::Status status = rows(row, count, buffer.data());
    if (!status.ok()) return status;
    read(row, count, buffer.data());
  }
  return absl::OkStatus();
}

// 128 x the sum of the row's whole numbers, modulo 2^32.
int32_t OffsetOf(const Q4Row& row) {
  uint32_t sum = 0;
  for (size_t i = 0; i < row.values.size(); ++i) {
    sum += static_cast<uint32_t>(row.values[i] * row.scales[i / kQ4BlockInputs]);
  }
  return static_cast<int32_t>(sum * kInt8Zero);
}

}  // namespace

absl::Status ReadWeights(int64_t outputs, int64_t inputs, WeightDtype dtype, WeightRowSource rows,
                         PlainWeights* weights) {
  absl::Status fits = CheckWidth(inputs, dtype);
  if (!fits.ok()) return fits;
  const bool int8 = dtype == WeightDtype::kInt8;
  const int64_t row_bytes = WeightRowBytes(dtype, inputs);
  weights->elements = std::make_unique_for_overwrite<std::byte[]>(outputs * row_bytes);
  weights->channels.scales.reserve(int8 ? outputs : 0);
  weights->channels.offsets.reserve(int8 ? outputs : 0);
  return ReadSomeRows(outputs, inputs, rows, [&](int64_t row, int64_t count, const float* w) {
    for (int64_t i = 0; i < count; ++i) {
      RoundWeights(dtype, inputs, w + i * inputs, weights->elements.get() + (row + i) * row_bytes,
                   &weights->channels);
    }
  });
}

absl::Status ReadQ4Weights(int64_t outputs, int64_t inputs, int threads, WeightRowSource rows,
                           Q4Weights* weights) {
  absl::Status fits = CheckWidth(inputs, WeightDtype::kQ4);
  if (!fits.ok()) return fits;
  weights->matrix = Q4Matrix(outputs, inputs);
  weights->channels.scales.resize(static_cast<size_t>(outputs));
  weights->channels.offsets.resize(static_cast<size_t>(outputs));
  std::vector<Q4Row> chosen(static_cast<size_t>(threads));
  return ReadSomeRows(outputs, inputs, rows, [&](int64_t first, int64_t count, const float* w) {
    ParallelTasks(threads, count, [&](int64_t i, int thread) {
      Q4Row& row = chosen[static_cast<size_t>(thread)];
      QuantizeQ4Row(absl::MakeConstSpan(w + i * inputs, static_cast<size_t>(inputs)), &row);
      weights->matrix.SetRow(first + i, row);
      weights->channels.scales[static_cast<size_t>(first + i)] = row.scale;
      weights->channels.offsets[static_cast<size_t>(first + i)] = OffsetOf(row);
    });
  });
}

}  // namespace plumbline
