// The numbers of rows that calls of a packed matrix come in: see matmul.h.
#ifndef PLUMBLINE_ENGINE_MATMUL_SIZES_H_
#define PLUMBLINE_ENGINE_MATMUL_SIZES_H_

#include <cstdint>

#include "engine/matmul.h"

namespace plumbline {

// Sizes 1 to 31 and the multiples of 32 up to 512.
inline constexpr int kMatmulSizes = kMatmulRowStep - 1 + kMatmulCallRows / kMatmulRowStep;
constexpr int MatmulSizeIndex(int64_t rows) {
  return static_cast<int>(rows < kMatmulRowStep ? rows - 1
                                                : kMatmulRowStep - 2 + rows / kMatmulRowStep);
}

// The largest cached size that `rows` rows can start with.
constexpr int64_t NextMatmulCall(int64_t rows) {
  if (rows >= kMatmulCallRows) return kMatmulCallRows;
  return rows >= kMatmulRowStep ? rows / kMatmulRowStep * kMatmulRowStep : rows;
}

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_SIZES_H_
