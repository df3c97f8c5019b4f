// A weight matrix as it is read: a few rows of f32 at a time by every thread, rounded where it
// goes next.
#ifndef PLUMBLINE_ENGINE_WEIGHT_ROWS_H_
#define PLUMBLINE_ENGINE_WEIGHT_ROWS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "engine/int8_rows.h"
#include "engine/q4_rows.h"
#include "engine/rounding.h"
#include "engine/weight_dtype.h"
#include "engine/weight_memory.h"

namespace plumbline {

// Of a matrix being read, by one thread at once: what they take as f32 stays in its core's cache.
inline constexpr int64_t kRowsAtOnce = 16;

// How many of the threads get any rows.
inline int64_t ThreadsForRows(int64_t outputs, int threads) {
  return std::min<int64_t>(threads, CeilDiv(outputs, kRowsAtOnce));
}

// Fills rows [row, row + num_rows) of W: out is [num_rows, inputs]. Called by several threads.
using WeightRowSource = absl::FunctionRef<absl::Status(int64_t row, int64_t num_rows, float* out)>;

// Takes rows [row, row + num_rows) of W, w being [num_rows, inputs]. Called by several threads, of
// which `thread` is one; `row` is a multiple of kRowsAtOnce.
using WeightRowSink =
    absl::FunctionRef<void(int64_t row, int64_t num_rows, const float* w, int thread)>;

// Hands all rows on, kRowsAtOnce at a time. Which thread takes which is open, so that one that
// waits for a file holds up no other. Of errors of `rows` that of the first row; rows behind it
// may have been handed on or not. Throws std::bad_alloc before anything is read.
absl::Status ForWeightRows(int64_t outputs, int64_t inputs, int threads, WeightRowSource rows,
                           WeightRowSink take);

// InvalidArgument for rows too long for the dtype.
absl::Status CheckWeightWidth(int64_t inputs, WeightDtype dtype);

// Rounds rows to nearest even, `stride` bytes apart at `out`, and sets their channels, if any.
// REQUIRES: the dtype is not q4; channels has room for all outputs (MakeChannels).
void RoundWeights(WeightDtype dtype, int64_t inputs, int64_t row, int64_t num_rows, const float* w,
                  int64_t stride, std::byte* out, Int8Channels* channels);

// Empty but in int8 and q4.
Int8Channels MakeChannels(int64_t outputs, WeightDtype dtype);

// W [outputs, inputs], row by row.
struct PlainWeights {
  std::unique_ptr<std::byte[]> elements;  // [outputs, inputs] in the dtype
  Int8Channels channels;                  // empty unless int8
};

// Errors of CheckWeightWidth and ForWeightRows. Throws std::bad_alloc. REQUIRES: the dtype is not
// q4.
absl::Status ReadWeights(int64_t outputs, int64_t inputs, WeightDtype dtype, int threads,
                         WeightRowSource rows, PlainWeights* weights);

struct Q4Weights {
  Q4Matrix matrix;
  Int8Channels channels;
};

// The same for q4, into `memory`.
absl::Status ReadQ4Weights(int64_t outputs, int64_t inputs, int threads, WeightRowSource rows,
                           WeightMemory& memory, Q4Weights* weights);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_WEIGHT_ROWS_H_
