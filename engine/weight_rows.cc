#include "engine/weight_rows.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/rounding.h"
#include "engine/untouched_array.h"

namespace plumbline {
namespace {

// The error of the first row that has one.
class FirstError {
 public:
  // Whether a row before `row` has one.
  bool IsBefore(int64_t row) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return !status_.ok() && row_ < row;
  }
  void Update(int64_t row, absl::Status status) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!status_.ok() && row_ < row) return;
    row_ = row;
    status_ = std::move(status);
  }
  // Once all threads are done.
  absl::Status Take() { return std::move(status_); }

 private:
  std::mutex mutex_;
  int64_t row_ = 0;      // guarded by mutex_
  absl::Status status_;  // the same
};

// 128 x the sum of the row's whole numbers, modulo 2^32.
int32_t OffsetOf(const Q4Row& row) {
  uint32_t sum = 0;
  for (size_t i = 0; i < row.values.size(); ++i) {
    sum += static_cast<uint32_t>(row.values[i] * row.scales[i / kQ4BlockInputs]);
  }
  return static_cast<int32_t>(sum * kInt8Zero);
}

}  // namespace

absl::Status ForWeightRows(int64_t outputs, int64_t inputs, int threads, WeightRowSource rows,
                           WeightRowSink take) {
  const UntouchedArray<float> floats(ThreadsForRows(outputs, threads) * kRowsAtOnce * inputs);
  const int64_t parts = CeilDiv(outputs, kRowsAtOnce);
  FirstError error;
  ParallelTasks(threads, parts, [&](int64_t part, int thread) {
    const int64_t row = part * kRowsAtOnce;
    if (error.IsBefore(row)) return;
    const int64_t count = std::min(kRowsAtOnce, outputs - row);
    float* const w = floats.get() + thread * kRowsAtOnce * inputs;
    absl::Status status = rows(row, count, w);
    if (!status.ok()) return error.Update(row, std::move(status));
    take(row, count, w, thread);
  });
  return error.Take();
}

absl::Status CheckWeightWidth(int64_t inputs, WeightDtype dtype) {
  if (!IsWhole(dtype) || inputs <= kInt8MostInputs) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a matrix of ", inputs, " inputs is too wide for ",
                                                 WeightDtypeName(dtype), ", whose sums hold ",
                                                 kInt8MostInputs, ": run it as bf16 or f32"));
}

void RoundWeights(WeightDtype dtype, int64_t inputs, int64_t row, int64_t num_rows, const float* w,
                  int64_t stride, std::byte* out, Int8Channels* channels) {
  for (int64_t i = 0; i < num_rows; ++i, w += inputs, out += stride) {
    if (dtype == WeightDtype::kInt8) {
      const auto output = static_cast<size_t>(row + i);
      QuantizeWeights(inputs, w, out, &channels->scales[output], &channels->offsets[output]);
    } else {
      RoundRow(static_cast<int>(inputs), w, dtype, out);
    }
  }
}

Int8Channels MakeChannels(int64_t outputs, WeightDtype dtype) {
  Int8Channels channels;
  if (!IsWhole(dtype)) return channels;
  channels.scales.resize(static_cast<size_t>(outputs));
  channels.offsets.resize(static_cast<size_t>(outputs));
  return channels;
}

absl::Status ReadWeights(int64_t outputs, int64_t inputs, WeightDtype dtype, int threads,
                         WeightRowSource rows, PlainWeights* weights) {
  absl::Status fits = CheckWeightWidth(inputs, dtype);
  if (!fits.ok()) return fits;
  const int64_t row_bytes = WeightRowBytes(dtype, inputs);
  weights->elements = std::make_unique_for_overwrite<std::byte[]>(outputs * row_bytes);
  weights->channels = MakeChannels(outputs, dtype);
  return ForWeightRows(
      outputs, inputs, threads, rows, [&](int64_t row, int64_t count, const float* w, int) {
        RoundWeights(dtype, inputs, row, count, w, row_bytes,
                     weights->elements.get() + row * row_bytes, &weights->channels);
      });
}

absl::Status ReadQ4Weights(int64_t outputs, int64_t inputs, int threads, WeightRowSource rows,
                           WeightMemory& memory, Q4Weights* weights) {
  absl::Status fits = CheckWeightWidth(inputs, WeightDtype::kQ4);
  if (!fits.ok()) return fits;
  weights->matrix = Q4Matrix(outputs, inputs, memory);
  weights->channels = MakeChannels(outputs, WeightDtype::kQ4);
  std::vector<Q4Row> chosen(static_cast<size_t>(threads));
  return ForWeightRows(
      outputs, inputs, threads, rows,
      [&](int64_t first, int64_t count, const float* w, int thread) {
        Q4Row& row = chosen[static_cast<size_t>(thread)];
        for (int64_t i = 0; i < count; ++i) {
          QuantizeQ4Row(absl::MakeConstSpan(w + i * inputs, static_cast<size_t>(inputs)), &row);
          weights->matrix.SetRow(first + i, row);
          weights->channels.scales[static_cast<size_t>(first + i)] = row.scale;
          weights->channels.offsets[static_cast<size_t>(first + i)] = OffsetOf(row);
        }
      });
}

}  // namespace plumbline
