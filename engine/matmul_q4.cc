#include "engine/matmul_q4.h"

#include <algorithm>
#include <cstring>

#include "engine/matmul_columns.h"
#include "engine/matmul_sizes.h"
#include "engine/matmul_tile_columns.h"
#include "engine/matmul_tiles.h"
#include "engine/parallel.h"
#include "engine/rounding.h"
#include "engine/tile_registers.h"

namespace plumbline {
namespace {

constexpr int64_t kDirectRows = 8;  // up to so many from 4 bits (bench/README.md)
constexpr int64_t kPanelBytes = int64_t{1} << 20;
constexpr int64_t kMostPanelOutputs = 1024;
constexpr int64_t kSumRows = 256;  // of a panel's sums at once, so that they stay in a cache
// Of the library's layout for blocked calls (matmul_columns.h).
constexpr int64_t kTilesOfColumn = kColumnOutputs / kQ4TileOutputs;
constexpr int64_t kTileRowBytes = kQ4TileOutputs * kColumnWordBytes;

int64_t WholeBlocks(int64_t inputs) { return Q4Blocks(inputs) * kQ4BlockInputs; }

template <class T>
void Grow(int64_t count, UntouchedArray<T>* array) {
  if (array->bytes() >= count * static_cast<int64_t>(sizeof(T))) return;
  *array = {};  // the smaller one's memory may serve the larger
  *array = UntouchedArray<T>(count);
  array->Touch();  // so that no step pays for its pages
}

}  // namespace

int64_t Q4PanelOutputs(int64_t outputs, int64_t inputs) {
  const int64_t most = std::clamp(kPanelBytes / inputs / kColumnOutputs * kColumnOutputs,
                                  kColumnOutputs, kMostPanelOutputs);
  const int64_t panels = CeilDiv(outputs, most);
  if (panels == 1) return outputs;
  return RoundUp(CeilDiv(outputs, panels), kColumnOutputs);
}

void Q4Scratch::Reserve(const Q4Calls& calls, int64_t outputs, int64_t inputs) {
  if (inputs % kQ4BlockInputs != 0) Grow(kDirectRows * WholeBlocks(inputs), &rows_);
  if (calls.whole == nullptr) return;
  for (const CallSet* set : {calls.whole, calls.last}) {
    Grow(static_cast<int64_t>(set->weights.get_size()), &panel_);
    if (!set->in_columns) Grow(set->shape.outputs * inputs, &plain_);
  }
  if (calls.whole->shape.outputs < outputs) Grow(kSumRows * calls.whole->shape.outputs, &sums_);
}

int64_t Q4Scratch::bytes() const {
  return panel_.bytes() + plain_.bytes() + sums_.bytes() + rows_.bytes();
}

bool Q4Product::Run(const Q4Machine& machine, int64_t rows, const std::byte* x, int32_t* y,
                    ResultSink sink) const {
  if (rows <= kDirectRows) {
    RunDirect(machine, rows, x, y);
    return true;
  }
  if (calls_.whole != nullptr) {
    RunPanels(machine, rows, x, y);
    return true;
  }
  RunTiles(machine, rows, x, y, sink);
  return false;
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
  std::byte* const unpacked = machine.library_scratch;
  MultiplyUnpacking({shape, machine.threads, nullptr, rows, x, reinterpret_cast<float*>(y),
                     unpacked + UnpackedBytes(shape, machine.threads)},
                    unpacked, unpack, sink);
}

int64_t Q4TileScratchBytes(int64_t outputs, int64_t inputs, int threads, int64_t rows) {
  const TileShape shape = {outputs, inputs, WeightDtype::kInt8};
  return UnpackedBytes(shape, threads) + TileScratchBytes(shape, threads, rows);
}

void Q4Product::RunDirect(const Q4Machine& machine, int64_t rows, const std::byte* x,
                          int32_t* y) const {
  const int64_t inputs = weights_.inputs();
  const int64_t stride = WholeBlocks(inputs);
  if (stride != inputs) {
    std::byte* const whole = machine.scratch.rows_.get();
    for (int64_t row = 0; row < rows; ++row) {
      std::memcpy(whole + row * stride, x + row * inputs, static_cast<size_t>(inputs));
      std::memset(whole + row * stride + inputs, 0, static_cast<size_t>(stride - inputs));
    }
    x = whole;
  }
  ParallelFor(machine.threads, Q4Tiles(weights_.outputs()),
              [&](int64_t tile) { MultiplyQ4Tile(weights_, tile, rows, x, stride, y); });
}

void Q4Product::RunPanels(const Q4Machine& machine, int64_t rows, const std::byte* x,
                          int32_t* y) const {
  const int64_t inputs = weights_.inputs();
  const int64_t outputs = weights_.outputs();
  const int64_t step = calls_.whole->shape.outputs;
  int32_t* const sums = machine.scratch.sums_.get();
  for (int64_t first = 0; first < outputs; first += step) {
    CallSet& calls = first + step <= outputs ? *calls_.whole : *calls_.last;
    const int64_t width = calls.shape.outputs;
    Unpack(machine, calls, first);
    const dnnl::memory panel(calls.weights, machine.engine, machine.scratch.panel_.get());
    const bool whole = width == outputs;  // the sums lie where they belong
    for (int64_t row = 0; row < rows;) {
      const int64_t count = NextMatmulCall(whole ? rows - row : std::min(rows - row, kSumRows));
      int32_t* const to = whole ? y + row * outputs : sums;
      calls.Execute(machine.stream, panel, count, x + row * inputs,
                    reinterpret_cast<std::byte*>(to), machine.library_scratch);
      ParallelFor(machine.threads, whole ? 0 : count, [&](int64_t i) {
        std::memcpy(y + (row + i) * outputs + first, sums + i * width,
                    static_cast<size_t>(width) * sizeof(*sums));
      });
      row += count;
    }
  }
}

void Q4Product::Unpack(const Q4Machine& machine, const CallSet& calls, int64_t first) const {
  if (calls.in_columns) return UnpackBlocked(machine, calls, first);
  UnpackPlain(machine, calls, first);
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

void Q4Product::UnpackBlocked(const Q4Machine& machine, const CallSet& calls, int64_t first) const {
  const int64_t rows = ColumnWords(weights_.inputs());
  const Q4Strides strides = {kColumnStepBytes, kColumnBlockWords * kColumnStepBytes};
  ParallelFor(machine.threads, RoundUp(calls.shape.outputs, kColumnOutputs) / kQ4TileOutputs,
              [&](int64_t tile) {
                UnpackTile(first / kQ4TileOutputs + tile, rows, strides,
                           machine.scratch.panel_.get() +
                               tile / kTilesOfColumn * rows * kColumnStepBytes +
                               tile % kTilesOfColumn * kTileRowBytes);
              });
}

void Q4Product::UnpackPlain(const Q4Machine& machine, const CallSet& calls, int64_t first) const {
  const int64_t inputs = weights_.inputs();
  std::byte* const plain = machine.scratch.plain_.get();
  ParallelFor(machine.threads, calls.shape.outputs, [&](int64_t output) {
    UnpackQ4Row(weights_, first + output, plain + output * inputs);
  });
  const dnnl::memory::desc rows({inputs, calls.shape.outputs}, dnnl::memory::data_type::s8,
                                dnnl::memory::dims{1, inputs});
  dnnl::memory from(rows, machine.engine, plain);
  dnnl::memory to(calls.weights, machine.engine, machine.scratch.panel_.get());
  dnnl::reorder(from, to).execute(machine.stream, from, to);
  machine.stream.wait();
}

}  // namespace plumbline
