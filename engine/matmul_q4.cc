#include "engine/matmul_q4.h"

#include <omp.h>

#include <algorithm>
#include <cstring>

#include "engine/matmul_columns.h"
#include "engine/matmul_tile_columns.h"
#include "engine/matmul_tiles.h"
#include "engine/parallel.h"
#include "engine/rounding.h"
#include "engine/tile_registers.h"

namespace plumbline {
namespace {

constexpr int64_t kTilesOfBlock = kResultOutputs / kQ4TileOutputs;
// Of the library's layout for blocked calls (matmul_columns.h).
constexpr int64_t kTilesOfColumn = kColumnOutputs / kQ4TileOutputs;
constexpr int64_t kTileRowBytes = kQ4TileOutputs * kColumnWordBytes;

// Up to so many rows are multiplied from the 4 bits (bench/README.md): fewer where the CPU's tiles
// multiply what is unpacked, which are far faster than vectors.
int64_t DirectRows(const SliceCalls& calls) { return calls.each == nullptr ? 8 : 32; }

int64_t WholeBlocks(int64_t inputs) { return Q4Blocks(inputs) * kQ4BlockInputs; }

// Of a thread: a slice as calls take it, and row by row.
int64_t SliceRoom(const SliceCalls& calls) {
  return RoundUp(std::max(calls.each->weight_bytes(), calls.last->weight_bytes()),
                 kThreadScratchStep);
}
int64_t PlainRoom(const SliceCalls& calls) {
  if (calls.in_columns()) return 0;
  const int64_t outputs = std::max(calls.each->shape.outputs, calls.last->shape.outputs);
  return RoundUp(outputs * calls.each->shape.inputs, kThreadScratchStep);
}

}  // namespace

int64_t Q4ScratchBytes(const SliceCalls& calls, int64_t outputs, int64_t inputs, int threads,
                       int64_t rows) {
  const int64_t direct = inputs % kQ4BlockInputs == 0 ? 0 : DirectRows(calls) * WholeBlocks(inputs);
  if (calls.each == nullptr) {
    const TileShape shape = {outputs, inputs, WeightDtype::kInt8};
    return std::max(direct, UnpackedBytes(shape, threads) + TileScratchBytes(shape, threads, rows));
  }
  return std::max(direct, threads * (calls.scratch_bytes() + SliceRoom(calls) + PlainRoom(calls)));
}

void Q4Product::Run(const Q4Machine& machine, int64_t rows, const std::byte* x, int32_t* y,
                    ResultSink sink) const {
  if (rows <= DirectRows(calls_)) return RunDirect(machine, rows, x, y, sink);
  if (calls_.each != nullptr) return RunSlices(machine, rows, x, sink);
  RunTiles(machine, rows, x, y, sink);
}

void Q4Product::RunTiles(const Q4Machine& machine, int64_t rows, const std::byte* x, int32_t* y,
                         ResultSink sink) const {
  const TileShape shape = {weights_.outputs(), weights_.inputs(), WeightDtype::kInt8};
  const auto unpack = [&](int64_t output, std::byte* to) {
    for (int64_t i = 0; i < kResultOutputs / kQ4TileOutputs; ++i) {
      std::byte* const column = to + i / 2 * shape.runs() * kRunWeightBytes;
      UnpackTile(output / kQ4TileOutputs + i, shape.runs() * kTileRows,
                 {kTileBytes, kRunWeightBytes}, column + i % 2 * kTileSize);
    }
  };
  std::byte* const unpacked = machine.scratch;
  MultiplyUnpacking({shape, machine.threads, nullptr, rows, x, reinterpret_cast<float*>(y),
                     unpacked + UnpackedBytes(shape, machine.threads)},
                    unpacked, unpack, sink);
}

void Q4Product::RunDirect(const Q4Machine& machine, int64_t rows, const std::byte* x, int32_t* y,
                          ResultSink sink) const {
  const int64_t inputs = weights_.inputs();
  const int64_t outputs = weights_.outputs();
  const int64_t stride = WholeBlocks(inputs);
  if (stride != inputs) {
    std::byte* const whole = machine.scratch;
    for (int64_t row = 0; row < rows; ++row) {
      std::memcpy(whole + row * stride, x + row * inputs, static_cast<size_t>(inputs));
      std::memset(whole + row * stride + inputs, 0, static_cast<size_t>(stride - inputs));
    }
    x = whole;
  }
  const int64_t tiles = Q4Tiles(outputs);
  ParallelRuns(machine.threads, CeilDiv(tiles, kTilesOfBlock),
               [&](int64_t begin, int64_t end, int64_t) {
                 for (int64_t tile = begin * kTilesOfBlock;
                      tile < std::min(tiles, end * kTilesOfBlock); ++tile) {
                   MultiplyQ4Tile(weights_, tile, rows, x, stride, y);
                 }
                 const int64_t first = begin * kResultOutputs;
                 sink({0, rows, first, std::min(end * kResultOutputs, outputs) - first,
                       reinterpret_cast<float*>(y) + first, outputs});
               });
}

void Q4Product::RunSlices(const Q4Machine& machine, int64_t rows, const std::byte* x,
                          ResultSink sink) const {
  const int64_t room = SliceRoom(calls_) + PlainRoom(calls_);
  std::byte* const rooms = machine.scratch + machine.threads * calls_.scratch_bytes();
  MultiplySlices(
      {calls_, machine.threads, rows, x, machine.scratch},
      [&](int64_t slice, int thread) {
        std::byte* const to = rooms + thread * room;
        UnpackSlice(machine.engine, slice, to, to + SliceRoom(calls_));
        return to;
      },
      sink);
}

void Q4Product::UnpackTile(int64_t tile, int64_t rows, const Q4Strides& strides,
                           std::byte* to) const {
  const bool stored = tile < Q4Tiles(weights_.outputs());
  if (stored) UnpackQ4Tile(weights_, tile, strides, to);
  for (int64_t row = stored ? WholeBlocks(weights_.inputs()) / kColumnWordBytes : 0; row < rows;
       ++row) {
    std::memset(to + strides.offset(row), 0, kTileRowBytes);
  }
}

void Q4Product::UnpackSlice(const dnnl::engine& engine, int64_t slice, std::byte* to,
                            std::byte* plain) const {
  const CallSet& calls = calls_.Of(slice);
  const int64_t inputs = weights_.inputs();
  const int64_t first = slice * calls_.outputs();
  if (!calls.in_columns) {
    for (int64_t output = 0; output < calls.shape.outputs; ++output) {
      UnpackQ4Row(weights_, first + output, plain + output * inputs);
    }
    omp_set_num_threads(1);  // of this loop's task alone
    return PackRows(engine, calls, plain, to);
  }
  const int64_t words = ColumnWords(inputs);
  const Q4Strides strides = {kColumnStepBytes, kColumnBlockWords * kColumnStepBytes};
  const int64_t tiles = RoundUp(calls.shape.outputs, kColumnOutputs) / kQ4TileOutputs;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    UnpackTile(first / kQ4TileOutputs + tile, words, strides,
               to + tile / kTilesOfColumn * words * kColumnStepBytes +
                   tile % kTilesOfColumn * kTileRowBytes);
  }
}

}  // namespace plumbline
