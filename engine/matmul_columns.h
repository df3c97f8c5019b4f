// y = x W^T for a few rows, which wait for the weights: from the library's own layout, in its order
// of additions, but read as fast as memory gives them. Private to matmul.cc.
//
// The layout (BA16a64b, BA16a64b2a or BA16a64b4a): columns of 64 outputs, each in one piece, in
// which four bytes of inputs (one of f32, two of bf16, four of int8) of 64 outputs lie side by
// side; inputs are filled up with zeros to whole blocks of 16 times that.
//
// The order of additions is that of the library's blocked calls, so that rows get the same bits
// from either: inputs are cut into chunks; within one a sum takes its products in ascending order,
// one (or a pair, or four) after the other, fused, from zero; chunks are added up in ascending
// order. Whether the library at hand adds like that is tried out before floats run so
// (AddsAsColumns in matmul_calls.h).
#ifndef PLUMBLINE_ENGINE_MATMUL_COLUMNS_H_
#define PLUMBLINE_ENGINE_MATMUL_COLUMNS_H_

#include <cstddef>
#include <cstdint>

#include "engine/result_block.h"
#include "engine/rounding.h"
#include "engine/weight_dtype.h"

namespace plumbline {

inline constexpr int64_t kColumnOutputs = 64;
inline constexpr int64_t kColumnWordBytes = 4;  // of inputs side by side
inline constexpr int64_t kColumnStepBytes = kColumnOutputs * kColumnWordBytes;  // to the next word
inline constexpr int64_t kColumnBlockWords = 16;
inline constexpr int64_t kMostColumnRows = 8;  // up to so many: see bench/README.md

// Words of a column whose plain rows have so many bytes.
constexpr int64_t ColumnWords(int64_t row_bytes) {
  return RoundUp(CeilDiv(row_bytes, kColumnWordBytes), kColumnBlockWords);
}

// Inputs that a sum takes from zero: all, for whole numbers.
constexpr int64_t ColumnChunkInputs(WeightDtype dtype, int64_t inputs) {
  if (dtype == WeightDtype::kInt8) return inputs;
  return inputs > 1024 ? 1024 : 512;
}

struct ColumnProduct {
  WeightDtype dtype = WeightDtype::kF32;  // f32, bf16 or int8
  int64_t outputs = 0;
  int64_t inputs = 0;
  int threads = 1;
  const std::byte* weights = nullptr;
  int64_t rows = 0;
  const std::byte* x = nullptr;  // [rows, inputs]; int8: u8
  float* y = nullptr;            // room for [rows, outputs] in f32; int8: s32 sums
};

// Gives `sink` all of x W^T, each result where it belongs in y. REQUIRES: 0 < rows <=
// kMostColumnRows; rows of x are whole words; a CPU with AVX-512, for bf16 with AVX512_BF16, for
// int8 with AVX512_VNNI.
void MultiplyColumns(const ColumnProduct& product, ResultSink sink);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_COLUMNS_H_
