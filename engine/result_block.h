// Results of a product, where it leaves them: often still in a core's own cache.
#ifndef PLUMBLINE_ENGINE_RESULT_BLOCK_H_
#define PLUMBLINE_ENGINE_RESULT_BLOCK_H_

#include <cstdint>

#include "absl/functional/function_ref.h"

namespace plumbline {

// A block begins at a multiple of so many outputs, and has a multiple of them or all that are left.
inline constexpr int kResultOutputs = 64;

// Neighbouring outputs of neighbouring rows.
struct ResultBlock {
  int64_t row = 0;  // the first
  int64_t rows = 0;
  int64_t output = 0;  // the first
  int64_t outputs = 0;
  float* values = nullptr;  // row r's at values + r * stride; may be overwritten
  int64_t stride = 0;
};

// Takes every result once, from several threads at a time, in any order.
using ResultSink = absl::FunctionRef<void(const ResultBlock&)>;

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_RESULT_BLOCK_H_
