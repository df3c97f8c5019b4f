// Weights of 4 bits: whole numbers that are int8's own once unpacked, and their products.
//
// An output's weights are scale x s x q: q of 4 bits (-8 to 7), s a whole number for each block of
// 32 inputs, scale an f32 for the output. s x q is from -127 to 127, so the products s x q are the
// s8 weights of int8_rows.h, and sums with the same activations are the same whole numbers whether
// taken from the 4 bits (MultiplyQ4) or from unpacked s8 weights: to the bit.
//
// Stored in tiles of 16 outputs, one to each 32-bit lane of a vector: for each block of a tile 4
// times 16 lanes of 4 bytes, then apart the 16 outputs' s. Byte k of the lanes at v has input
// 4 v + k of the block in its low half, input 16 + 4 v + k in the high one. What lies beyond the
// matrix is 0. 17 bytes for 32 weights: 4.25 bits each.
#ifndef PLUMBLINE_ENGINE_Q4_ROWS_H_
#define PLUMBLINE_ENGINE_Q4_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/untouched_array.h"
#include "engine/weight_dtype.h"
#include "engine/weight_memory.h"

namespace plumbline {

inline constexpr int kQ4TileOutputs = 16;
inline constexpr int kQ4BlockBytes = kQ4BlockInputs / 2;  // of one output, without s
inline constexpr int kQ4TileBlockBytes = kQ4TileOutputs * kQ4BlockBytes;  // of a tile
inline constexpr int kQ4Least = -8;
inline constexpr int kQ4Most = 7;
inline constexpr int kQ4MostScale = 18;  // 18 x 7 is 126; every q of a lesser scale fits too

constexpr int64_t Q4Blocks(int64_t inputs) {
  return (inputs + kQ4BlockInputs - 1) / kQ4BlockInputs;
}
constexpr int64_t Q4Tiles(int64_t outputs) {
  return (outputs + kQ4TileOutputs - 1) / kQ4TileOutputs;
}

// One output's weights.
struct Q4Row {
  std::vector<int8_t> values;  // q: [whole blocks of inputs]
  std::vector<int8_t> scales;  // s: [blocks]
  float scale = 0;
};

// Of several scales, and of several s for each block, takes those with the least square error. A
// row of zeros has scale 0; one that is not finite has scale NaN. w: the row's inputs. `out` is
// overwritten: its room is used again.
void QuantizeQ4Row(absl::Span<const float> w, Q4Row* out);

// W [outputs, inputs] as it is stored. Different rows may be set by several threads;
// reading is safe from any thread.
class Q4Matrix {
 public:
  Q4Matrix() = default;
  // Of zeros. Throws std::bad_alloc.
  Q4Matrix(int64_t outputs, int64_t inputs, WeightMemory& memory);
  int64_t outputs() const { return outputs_; }
  int64_t inputs() const { return inputs_; }
  // With what rounds it up to whole tiles.
  int64_t bytes() const { return nibbles_.bytes() + scales_.bytes(); }
  // REQUIRES: row.values and row.scales are of QuantizeQ4Row for so many inputs.
  void SetRow(int64_t output, const Q4Row& row);
  // Of one tile: [blocks, 4, 16 outputs, 4 bytes] and [blocks, 16 outputs].
  const std::byte* nibbles(int64_t tile) const {
    return nibbles_.get() + tile * Q4Blocks(inputs_) * kQ4TileBlockBytes;
  }
  const int8_t* scales(int64_t tile) const {
    return reinterpret_cast<const int8_t*>(scales_.get()) +
           tile * Q4Blocks(inputs_) * kQ4TileOutputs;
  }

 private:
  int64_t outputs_ = 0;
  int64_t inputs_ = 0;
  UntouchedArray<std::byte> nibbles_;
  UntouchedArray<std::byte> scales_;  // int8_t
};

// One output's s x q as s8. out: [inputs]. Safe from any thread.
void UnpackQ4Row(const Q4Matrix& w, int64_t output, std::byte* out);

// Rows of 64 bytes, four inputs of 16 outputs side by side: so many bytes from one to the next, and
// from the first of 16 rows to the first of the next 16.
struct Q4Strides {
  int64_t row = 0;
  int64_t rows16 = 0;

  constexpr int64_t offset(int64_t of_row) const {
    return of_row / 16 * rows16 + of_row % 16 * row;
  }
};

// One tile's s x q as s8: input i of output o goes to byte o x 4 + i % 4 of row i / 4. Writes
// [8 Q4Blocks(inputs)] rows. Safe from any thread.
void UnpackQ4Tile(const Q4Matrix& w, int64_t tile, const Q4Strides& strides, std::byte* out);

// y = x W^T for the outputs of one tile, modulo 2^32. x: [rows] of u8 activations (int8_rows.h),
// `x_stride` bytes apart, of which whole blocks of inputs are read: beyond the inputs any bytes.
// y: [rows, outputs]; only the tile's columns are written. Safe from several threads for different
// tiles.
void MultiplyQ4Tile(const Q4Matrix& w, int64_t tile, int64_t rows, const std::byte* x,
                    int64_t x_stride, int32_t* y);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_Q4_ROWS_H_
