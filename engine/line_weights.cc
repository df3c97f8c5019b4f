#include "engine/line_weights.h"

#include <cstring>

#include "engine/matmul_columns.h"
#include "engine/matmul_tile_columns.h"
#include "engine/rounding.h"
#include "engine/tile_registers.h"

namespace plumbline {
namespace {

constexpr int64_t kWordBytes = 4;
constexpr int64_t kLineOutputs = 16;
constexpr int64_t kLineBytes = kLineOutputs * kWordBytes;
static_assert(kLineBytes == kTileBytes && kRunBytes == kTileRows * kWordBytes);
static_assert(kWordBytes == kColumnWordBytes && kLineOutputs == kRowsAtOnce);

// A row's bytes, from row to row of those read at once: whole words, zeros behind the last input,
// and an odd number of lines, because rows a power of two apart would share a few lines of the
// core's cache.
int64_t PlainStride(const LineLayout& layout) {
  return (CeilDiv(layout.words * kWordBytes, kLineBytes) | 1) * kLineBytes;
}

// The last columns' outputs may be fewer than they have room for.
UntouchedArray<std::byte> MakeRoom(const LineLayout& layout, int64_t outputs,
                                   WeightMemory& memory) {
  UntouchedArray<std::byte> room = memory.Take(layout.bytes());
  const int64_t filled = outputs / layout.column_outputs * layout.column_bytes();
  std::memset(room.get() + filled, 0, static_cast<size_t>(room.bytes() - filled));
  return room;
}

// The lines of up to 16 outputs from `row` on.
void PackLines(const LineLayout& layout, int64_t row, int64_t num_rows, const std::byte* plain,
               std::byte* packed) {
  const int64_t stride = PlainStride(layout);
  const int64_t run_bytes = layout.run_words * kLineBytes;
  std::byte* run = packed + row / layout.column_outputs * layout.column_bytes() +
                   row % layout.column_outputs / kLineOutputs * run_bytes;
  const int64_t next_run = layout.column_outputs / kLineOutputs * run_bytes;
  for (int64_t word = 0; word < layout.words; word += layout.run_words, run += next_run) {
    for (std::byte* to = run; to < run + run_bytes; to += kLineBytes, plain += kWordBytes) {
      for (int64_t i = 0; i < num_rows; ++i) {
        std::memcpy(to + i * kWordBytes, plain + i * stride, kWordBytes);
      }
    }
  }
}

}  // namespace

int64_t LineLayout::column_bytes() const { return words * column_outputs * kWordBytes; }

LineLayout TileLines(const TileShape& shape) {
  return {shape.columns(), kTileColumnOutputs, shape.runs() * kTileRows, kTileRows};
}

LineLayout ColumnLines(const TileShape& shape) {
  return {CeilDiv(shape.outputs, kColumnOutputs), kColumnOutputs, ColumnWords(shape.row_bytes()),
          1};
}

absl::Status ReadLineWeights(const TileShape& shape, const LineLayout& layout, int threads,
                             WeightRowSource rows, WeightMemory& memory, LineWeights* weights) {
  absl::Status fits = CheckWeightWidth(shape.inputs, shape.dtype);
  if (!fits.ok()) return fits;
  weights->packed = MakeRoom(layout, shape.outputs, memory);
  weights->channels = MakeChannels(shape.outputs, shape.dtype);
  const int64_t stride = PlainStride(layout);
  UntouchedArray<std::byte> plain(ThreadsForRows(shape.outputs, threads) * kRowsAtOnce * stride);
  plain.Touch();  // what is behind a row's last input stays zero
  return ForWeightRows(shape.outputs, shape.inputs, threads, rows,
                       [&](int64_t row, int64_t count, const float* w, int thread) {
                         std::byte* const own = plain.get() + thread * kRowsAtOnce * stride;
                         RoundWeights(shape.dtype, shape.inputs, row, count, w, stride, own,
                                      &weights->channels);
                         PackLines(layout, row, count, own, weights->packed.get());
                       });
}

}  // namespace plumbline
