// Rows of 8-bit numbers: how floats become them, and how sums of their products become floats.
//
// A row x is held as round(x / s) (nearest even), from -127 to 127, with s its largest magnitude
// over 127. Weights are held so row by row, as s8. Activations are held as u8, 128 more, because
// the library multiplies u8 by s8. The 128 is taken off again from the sums:
// sum (x + 128) w = sum x w + 128 sum w. Sums wrap modulo 2^32, so only the end result must fit.
#ifndef PLUMBLINE_ENGINE_INT8_ROWS_H_
#define PLUMBLINE_ENGINE_INT8_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace plumbline {

inline constexpr int kInt8Most = 127;  // the largest magnitude
inline constexpr int kInt8Zero = 128;  // what stands for 0 in u8
// So many products of 127 x 127 are less than 2^31.
inline constexpr int64_t kInt8MostInputs = 133'000;

// The largest magnitude; NaN where an element is not finite.
float Magnitude(absl::Span<const float> x);

// out = x / scale rounded, as u8. A row of zeros has scale 0; a row that is not finite has scale
// NaN. x: [count]. out: [count]. Computed by one thread in one order.
void QuantizeRow(int count, const float* x, std::byte* out, float* scale);

// What a matrix of s8 weights has for each of its outputs. [outputs] both.
struct Int8Channels {
  std::vector<float> scales;
  std::vector<int32_t> offsets;  // 128 x the sum of the output's weights

  int64_t bytes() const {
    return static_cast<int64_t>(scales.size() * sizeof(float) + offsets.size() * sizeof(int32_t));
  }
};

// One output's weights, w: [inputs], as s8 to out, with its scale and offset.
// REQUIRES: inputs <= kInt8MostInputs.
void QuantizeWeights(int64_t inputs, const float* w, std::byte* out, float* scale, int32_t* offset);

// y = (sums - offsets) x scale x scales, in place: a row's s32 sums of `count` outputs from `first`
// on become floats. y: [count].
void FinishInt8(const Int8Channels& channels, int64_t first, int64_t count, float scale, float* y);

// Room for the halves of some rows of activations, and for the sums of one half.
struct HalvesScratch {
  int32_t* sums;    // [rows, outputs]
  std::byte* low;   // [rows, inputs]
  std::byte* high;  // [rows, inputs]

  static size_t Bytes(int64_t rows, int64_t outputs, int64_t inputs);
  // Cut out of `memory`, which has so many bytes. REQUIRES: aligned as int32_t.
  HalvesScratch(std::byte* memory, int64_t rows, int64_t outputs, int64_t inputs);
};
// x = low + high with neither over 128: a product of u8 by s8 that adds two neighbours in 16 bits
// overflows beyond that. [count] each.
void SplitHalves(int64_t count, const std::byte* x, std::byte* low, std::byte* high);
// sums += more. [count]
void AddSums(int64_t count, const int32_t* more, int32_t* sums);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_INT8_ROWS_H_
