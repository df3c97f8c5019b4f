// The numbers of rows and outputs that calls of the library come in: see matmul.h.
#ifndef PLUMBLINE_ENGINE_MATMUL_SIZES_H_
#define PLUMBLINE_ENGINE_MATMUL_SIZES_H_

#include <algorithm>
#include <cstdint>

#include "engine/matmul.h"
#include "engine/result_block.h"
#include "engine/rounding.h"

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

// How a matrix's outputs are cut (matmul_slices.h): all slices but the last have `each`, a multiple
// of kResultOutputs.
struct SliceCut {
  int64_t slices = 1;
  int64_t each = 0;
  int64_t last = 0;
};

inline constexpr int64_t kQ4SliceOutputs = 128;  // unpacked, they stay in a core's own cache
// Many, so that a few rows take long beside what a call costs; of few outputs there are some slices
// for each thread still.
constexpr int64_t MostSliceOutputs(int64_t outputs) {
  if (outputs < 2048) return 128;
  return outputs < 4096 ? 256 : 512;
}

// Slices of up to `most` outputs, and as many for each thread if that can be. Too few outputs for a
// block of results, for which the library has other calls, go to the slice before. REQUIRES: all >
// 0; `most` is a multiple of kResultOutputs.
constexpr SliceCut CutOutputs(int64_t outputs, int threads, int64_t most) {
  const auto too_few = [&](int64_t each) {
    return outputs % each > 0 && outputs % each < kResultOutputs;
  };
  int64_t each = most;
  while (each > 0 && (CeilDiv(outputs, each) % threads != 0 || too_few(each))) {
    each -= kResultOutputs;
  }
  if (each == 0) {
    each = std::clamp(outputs / threads / kResultOutputs * kResultOutputs, int64_t{kResultOutputs},
                      most);
  }
  int64_t slices = CeilDiv(outputs, each);
  if (slices > 1 && too_few(each)) --slices;
  return {slices, each, outputs - (slices - 1) * each};
}

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_SIZES_H_
