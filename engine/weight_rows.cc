#include "engine/weight_rows.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/ops.h"

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

}  // namespace

absl::Status ReadWeights(int64_t outputs, int64_t inputs, WeightDtype dtype, WeightRowSource rows,
                         PlainWeights* weights) {
  const bool int8 = dtype == WeightDtype::kInt8;
  if (int8 && inputs > kInt8MostInputs) {
    return absl::InvalidArgumentError(absl::StrCat("a matrix of ", inputs,
                                                   " inputs is too wide for int8, whose sums hold ",
                                                   kInt8MostInputs, ": run it as bf16 or f32"));
  }
  const int64_t row_bytes = inputs * WeightDtypeBytes(dtype);
  weights->elements = std::make_unique_for_overwrite<std::byte[]>(outputs * row_bytes);
  weights->channels.scales.reserve(int8 ? outputs : 0);
  weights->channels.offsets.reserve(int8 ? outputs : 0);
  std::vector<float> buffer(kRowsAtOnce * inputs);
  for (int64_t row = 0; row < outputs; row += kRowsAtOnce) {
    const int64_t count = std::min(kRowsAtOnce, outputs - row);
    absl::Status status = rows(row, count, buffer.data());
    if (!status.ok()) return status;
    for (int64_t i = 0; i < count; ++i) {
      RoundWeights(dtype, inputs, buffer.data() + i * inputs,
                   weights->elements.get() + (row + i) * row_bytes, &weights->channels);
    }
  }
  return absl::OkStatus();
}

}  // namespace plumbline
