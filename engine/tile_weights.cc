#include "engine/tile_weights.h"

#include <cstring>

#include "engine/matmul_tile_columns.h"
#include "engine/tile_registers.h"

namespace plumbline {
namespace {

constexpr int64_t kWordBytes = 4;  // of inputs that lie together when packed
constexpr int64_t kTileOutputs = kTileBytes / kWordBytes;
static_assert(kRunBytes / kWordBytes == kTileRows);
static_assert(kTileOutputs == kRowsAtOnce && kTileColumnOutputs % kTileOutputs == 0);

int64_t ColumnBytes(const TileShape& shape) { return shape.runs() * kRunWeightBytes; }

// An odd number of runs: rows a power of two apart would share a few lines of the core's cache.
int64_t PlainStride(const TileShape& shape) { return (shape.runs() | 1) * kRunBytes; }

// The last columns' outputs may be fewer than they have room for.
UntouchedArray<std::byte> MakeRoom(const TileShape& shape, WeightMemory& memory) {
  UntouchedArray<std::byte> room = memory.Take(shape.columns() * ColumnBytes(shape));
  const int64_t filled = shape.outputs / kTileColumnOutputs * ColumnBytes(shape);
  std::memset(room.get() + filled, 0, static_cast<size_t>(room.bytes() - filled));
  return room;
}

// One tile's outputs, in all runs. plain: whole runs, zeros behind the last input.
void PackTiles(const TileShape& shape, int64_t row, int64_t num_rows, const std::byte* plain,
               std::byte* packed) {
  const int64_t stride = PlainStride(shape);
  std::byte* tile = packed + row / kTileColumnOutputs * ColumnBytes(shape) +
                    row % kTileColumnOutputs / kTileOutputs * kTileSize;
  for (int64_t run = 0; run < shape.runs(); ++run, tile += kRunWeightBytes) {
    for (std::byte* to = tile; to < tile + kTileSize; to += kTileBytes, plain += kWordBytes) {
      for (int64_t i = 0; i < num_rows; ++i) {
        std::memcpy(to + i * kWordBytes, plain + i * stride, kWordBytes);
      }
    }
  }
}

}  // namespace

absl::Status ReadTileWeights(const TileShape& shape, int threads, WeightRowSource rows,
                             WeightMemory& memory, TileWeights* weights) {
  absl::Status fits = CheckWeightWidth(shape.inputs, shape.dtype);
  if (!fits.ok()) return fits;
  weights->packed = MakeRoom(shape, memory);
  weights->channels = MakeChannels(shape.outputs, shape.dtype);
  const int64_t stride = PlainStride(shape);
  UntouchedArray<std::byte> plain(ThreadsForRows(shape.outputs, threads) * kRowsAtOnce * stride);
  plain.Touch();  // what is behind a row's last input stays zero
  return ForWeightRows(shape.outputs, shape.inputs, threads, rows,
                       [&](int64_t row, int64_t count, const float* w, int thread) {
                         std::byte* const own = plain.get() + thread * kRowsAtOnce * stride;
                         RoundWeights(shape.dtype, shape.inputs, row, count, w, stride, own,
                                      &weights->channels);
                         PackTiles(shape, row, count, own, weights->packed.get());
                       });
}

}  // namespace plumbline
