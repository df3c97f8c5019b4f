// The weights of a matrix that runs in tiles (matmul_tiles.h), as they are packed. Private to
// matmul.cc.
#ifndef PLUMBLINE_ENGINE_TILE_WEIGHTS_H_
#define PLUMBLINE_ENGINE_TILE_WEIGHTS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "engine/int8_rows.h"
#include "engine/matmul_tiles.h"
#include "engine/untouched_array.h"
#include "engine/weight_memory.h"
#include "engine/weight_rows.h"

namespace plumbline {

struct TileWeights {
  UntouchedArray<std::byte> packed;  // [columns, runs, 2, 16, 16, 4 bytes], zeros beyond W
  Int8Channels channels;             // empty unless int8
};

// Rounds and packs rows as they are read, into `memory`: W is never there as plain rows. Errors of
// CheckWeightWidth and ForWeightRows. Throws std::bad_alloc. REQUIRES: bf16 or int8.
absl::Status ReadTileWeights(const TileShape& shape, int threads, WeightRowSource rows,
                             WeightMemory& memory, TileWeights* weights);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_TILE_WEIGHTS_H_
