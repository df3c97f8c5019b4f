// The weights of a matrix, packed as they are read. Private to matmul*.cc.
//
// A word is four bytes of one output's inputs, a line the words of 16 neighbouring outputs at the
// same inputs. Tiles (matmul_tile_columns.h) and the library's blocked layout (matmul_columns.h)
// are made of such lines, in orders of their own.
#ifndef PLUMBLINE_ENGINE_LINE_WEIGHTS_H_
#define PLUMBLINE_ENGINE_LINE_WEIGHTS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "engine/int8_rows.h"
#include "engine/matmul_tiles.h"
#include "engine/untouched_array.h"
#include "engine/weight_memory.h"
#include "engine/weight_rows.h"

namespace plumbline {

// [columns, words / run_words, column_outputs / 16, run_words, 16 outputs, 4 bytes].
struct LineLayout {
  int64_t columns = 0;         // the last ones filled up with zeros
  int64_t column_outputs = 0;  // a multiple of 16
  int64_t words = 0;           // of an output, zeros behind its last input
  int64_t run_words = 0;       // neighbouring lines of the same outputs; divides `words`

  int64_t column_bytes() const;
  int64_t bytes() const { return columns * column_bytes(); }
};

// Of the tiles of MultiplyInTiles. REQUIRES: bf16 or int8.
LineLayout TileLines(const TileShape& shape);
// Of the library's BA16a64b{1,2,4}a. REQUIRES: f32, bf16 or int8.
LineLayout ColumnLines(const TileShape& shape);

struct LineWeights {
  UntouchedArray<std::byte> packed;  // as the layout says, zeros beyond W
  Int8Channels channels;             // empty unless int8
};

// Rounds and packs rows as they are read, into `memory`: W is never there as plain rows. Errors of
// CheckWeightWidth and ForWeightRows. Throws std::bad_alloc. REQUIRES: the layout is that of such a
// matrix, which is not q4.
absl::Status ReadLineWeights(const TileShape& shape, const LineLayout& layout, int threads,
                             WeightRowSource rows, WeightMemory& memory, LineWeights* weights);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_LINE_WEIGHTS_H_
