// y = x W^T in the CPU's tile registers, for a matrix of bf16 or int8 packed for them. Private to
// matmul.cc. What the library makes of such a CPU leaves much of it unused: weights come from
// memory no faster than its products ask for them, and many inputs are cut apart differently for
// other numbers of rows. The order of additions here is fixed (matmul_tile_columns.h).
#ifndef PLUMBLINE_ENGINE_MATMUL_TILES_H_
#define PLUMBLINE_ENGINE_MATMUL_TILES_H_

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "engine/result_block.h"
#include "engine/weight_dtype.h"

namespace plumbline {

// Whether matrices of this dtype run in tiles here. Safe from any thread.
bool MultipliesInTiles(WeightDtype dtype);

struct TileShape {
  int64_t outputs = 0;
  int64_t inputs = 0;
  WeightDtype dtype = WeightDtype::kBf16;

  int64_t row_bytes() const;  // of plain inputs
  int64_t columns() const;    // of 32 outputs, an even number: the last filled up with zeros
  int64_t runs() const;       // of 64 bytes of inputs, likewise
};

// Of one product.
int64_t TileScratchBytes(const TileShape& shape, int threads, int64_t rows);

struct TileProduct {
  const TileShape& shape;
  int threads;
  const std::byte* weights;  // in TileLines
  int64_t rows;
  const std::byte* x;  // [rows, inputs]
  float* room;         // [rows, outputs]: for sums that are not whole yet
  std::byte* scratch;  // TileScratchBytes, best at a multiple of 64 bytes
};

// Gives `sink` all of x W^T, in f32; in int8 as s32 sums. REQUIRES: MultipliesInTiles(shape.dtype);
// 0 < rows.
void MultiplyInTiles(const TileProduct& product, ResultSink sink);

// Puts the weights of kResultOutputs outputs from one of their multiples on as they are packed.
using TileUnpacker = absl::FunctionRef<void(int64_t output, std::byte* to)>;

// The same with weights that are stored otherwise (`weights` null): each thread unpacks some for
// all rows, to its own part of `unpacked`, of UnpackedBytes.
void MultiplyUnpacking(const TileProduct& product, std::byte* unpacked, TileUnpacker unpack,
                       ResultSink sink);
int64_t UnpackedBytes(const TileShape& shape, int threads);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_TILES_H_
