// A weight matrix as it is read: a few rows of f32 at a time, rounded into plain storage.
#ifndef PLUMBLINE_ENGINE_WEIGHT_ROWS_H_
#define PLUMBLINE_ENGINE_WEIGHT_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "engine/int8_rows.h"
#include "engine/q4_rows.h"
#include "engine/weight_dtype.h"

namespace plumbline {

// Fills rows [row, row + num_rows) of W: out is [num_rows, inputs].
using WeightRowSource = absl::FunctionRef<absl::Status(int64_t row, int64_t num_rows, float* out)>;

// W [outputs, inputs], row by row.
struct PlainWeights {
  std::unique_ptr<std::byte[]> elements;  // [outputs, inputs] in the dtype
  Int8Channels channels;                  // empty unless int8
};

// Rounds to nearest even. Errors of `rows` as they are; InvalidArgument for rows too long for the
// dtype. Throws std::bad_alloc. REQUIRES: the dtype is not q4.
absl::Status ReadWeights(int64_t outputs, int64_t inputs, WeightDtype dtype, WeightRowSource rows,
                         PlainWeights* weights);

struct Q4Weights {
  Q4Matrix matrix;
  Int8Channels channels;
};

// The same for q4, by `threads` threads: the choice of its numbers takes longer than reading.
absl::Status ReadQ4Weights(int64_t outputs, int64_t inputs, int threads, WeightRowSource rows,
                           Q4Weights* weights);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_WEIGHT_ROWS_H_
