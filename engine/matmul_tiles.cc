#include "engine/matmul_tiles.h"

#include <algorithm>
#include <cstring>

#include "engine/matmul.h"
#include "engine/matmul_tile_columns.h"
#include "engine/parallel.h"
#include "engine/tile_registers.h"

namespace plumbline {
namespace {

constexpr int kWordBytes = 4;                      // of inputs that lie together when packed
constexpr int kRunWords = kRunBytes / kWordBytes;  // of one row
constexpr int kSumBytes = 4;                       // f32 or s32
constexpr int kCallStrips = kMatmulCallRows / kStripRows;
constexpr int64_t kColumnSums = int64_t{kMostStrips} * kStripRows * kTileColumnOutputs;
// The inputs of a call's strips that stay in the core's own cache while weights pass: 1 MiB.
constexpr int64_t kHeldStripRuns = 512;

int64_t CeilDivide(int64_t value, int64_t by) { return (value + by - 1) / by; }

// The words of output `o` of a column, zeros behind the last input.
void PackOutput(const std::byte* row, int64_t row_bytes, int64_t o, std::byte* column) {
  const int64_t words = CeilDivide(row_bytes, kRunBytes) * kRunWords;
  const int64_t whole = row_bytes / kWordBytes;
  std::byte* to = column + o * kWordBytes;
  constexpr int64_t kStep = kTileColumnOutputs * kWordBytes;
  for (int64_t word = 0; word < whole; ++word, to += kStep) {
    std::memcpy(to, row + word * kWordBytes, kWordBytes);
  }
  for (int64_t word = whole; word < words; ++word, to += kStep) {
    std::memset(to, 0, kWordBytes);
    const int64_t left = std::max<int64_t>(row_bytes - word * kWordBytes, 0);
    std::memcpy(to, row + row_bytes - left, static_cast<size_t>(left));
  }
}

// One product's operands, and how its rows are cut.
struct Product {
  const TileShape& shape;
  const std::byte* weights;
  int64_t rows;
  std::byte* y;
  const std::byte* x;  // packed in strips, or a few rows

  int64_t column_bytes() const { return shape.runs() * kRunWeightBytes; }
  int64_t outputs_of(int64_t column) const {
    return std::min<int64_t>(kTileColumnOutputs, shape.outputs - column * kTileColumnOutputs);
  }
  std::byte* result(int64_t row, int64_t column) const {
    return y + (row * shape.outputs + column * kTileColumnOutputs) * kSumBytes;
  }
};

// Copies a row's run by run to `to`, `run_bytes` apart, zeros behind the last input.
void SpreadRow(const std::byte* row, int64_t row_bytes, int64_t run_bytes, std::byte* to) {
  for (; row_bytes >= kRunBytes; row_bytes -= kRunBytes, row += kRunBytes, to += run_bytes) {
    std::memcpy(to, row, kRunBytes);
  }
  if (row_bytes == 0) return;
  std::memset(to, 0, kRunBytes);
  std::memcpy(to, row, static_cast<size_t>(row_bytes));
}

// Rows beyond the last are left as they are: they enter no other row.
void PackStrips(const TileShape& shape, int threads, int64_t rows, const std::byte* x,
                std::byte* packed) {
  ParallelFor(threads, rows, [&](int64_t row) {
    const int64_t strip = row / kStripRows * shape.runs() * kStripRunBytes;
    SpreadRow(x + row * shape.row_bytes(), shape.row_bytes(), kStripRunBytes,
              packed + strip + row % kStripRows * kRunBytes);
  });
}

// Calls fn(column) for the columns of `thread`, in order.
template <class Fn>
void ForColumns(int64_t columns, int64_t thread, int64_t threads, const Fn& fn) {
  const int64_t last = columns * (thread + 1) / threads;
  for (int64_t column = columns * thread / threads; column < last; ++column) fn(column);
}

void CopyRows(const Product& p, int64_t column, int64_t first_row, int64_t rows, float* sums,
              bool into_sums) {
  const auto bytes = static_cast<size_t>(p.outputs_of(column) * kSumBytes);
  for (int64_t row = 0; row < rows; ++row, sums += kTileColumnOutputs) {
    std::byte* const result = p.result(first_row + row, column);
    if (into_sums) {
      std::memcpy(sums, result, bytes);
    } else {
      std::memcpy(result, sums, bytes);
    }
  }
}

// Up to kMostStrips strips over a thread's columns, in panels of inputs that its cache holds beside
// weights. Sums go on from panel to panel by way of y.
void MultiplyPart(const Product& p, int64_t first_strip, int64_t thread, int64_t threads,
                  float* sums) {
  const int64_t runs = p.shape.runs();
  const int64_t first_row = first_strip * kStripRows;
  const int64_t rows = std::min<int64_t>(p.rows - first_row, int64_t{kMostStrips} * kStripRows);
  const auto strips = static_cast<int>(CeilDivide(rows, kStripRows));
  const int64_t panel = CeilDivide(runs, CeilDivide(runs * strips, kHeldStripRuns));
  const std::byte* const x = p.x + first_strip * runs * kStripRunBytes;
  for (int64_t first = 0; first < runs; first += panel) {
    const int64_t last = std::min(first + panel, runs);
    ForColumns(p.shape.columns(), thread, threads, [&](int64_t column) {
      if (first > 0) CopyRows(p, column, first_row, rows, sums, true);
      const std::byte* const weights = p.weights + column * p.column_bytes();
      MultiplyStrips({p.shape.dtype == WeightDtype::kInt8, first, last, runs, weights,
                      weights + p.column_bytes() + first * kRunWeightBytes},
                     x, strips, sums);
      CopyRows(p, column, first_row, rows, sums, false);
    });
  }
}

// `direct`: x is the caller's, not in strips.
void MultiplyFew(const Product& p, bool direct, int64_t thread, int64_t threads, float* sums) {
  const int64_t runs = p.shape.runs();
  const FewRows rows = {p.x, direct ? p.shape.row_bytes() : kRunBytes,
                        direct ? kRunBytes : kStripRunBytes, static_cast<int>(p.rows)};
  ForColumns(p.shape.columns(), thread, threads, [&](int64_t column) {
    MultiplyFewRows({p.shape.dtype == WeightDtype::kInt8, 0, runs, runs,
                     p.weights + column * p.column_bytes(), nullptr},
                    rows, sums);
    CopyRows(p, column, 0, p.rows, sums, false);
  });
}

}  // namespace

bool MultipliesInTiles(WeightDtype dtype) {
  return (dtype == WeightDtype::kBf16 || dtype == WeightDtype::kInt8) && UsesTiles();
}

int64_t TileShape::row_bytes() const { return inputs * WeightDtypeBytes(dtype); }
int64_t TileShape::columns() const { return CeilDivide(outputs, kTileColumnOutputs); }
int64_t TileShape::runs() const { return CeilDivide(row_bytes(), kRunBytes); }

UntouchedArray<std::byte> PackForTiles(const TileShape& shape, int threads,
                                       const std::byte* plain) {
  const int64_t column_bytes = shape.runs() * kRunWeightBytes;
  UntouchedArray<std::byte> packed(shape.columns() * column_bytes);
  ParallelFor(threads, shape.columns(), [&](int64_t column) {
    std::byte* const to = packed.get() + column * column_bytes;
    const int64_t first = column * kTileColumnOutputs;
    const int64_t filled = std::min<int64_t>(kTileColumnOutputs, shape.outputs - first);
    if (filled < kTileColumnOutputs) std::memset(to, 0, static_cast<size_t>(column_bytes));
    for (int64_t o = 0; o < filled; ++o) {
      PackOutput(plain + (first + o) * shape.row_bytes(), shape.row_bytes(), o, to);
    }
  });
  return packed;
}

int64_t TileScratchBytes(const TileShape& shape, int threads) {
  return kCallStrips * shape.runs() * kStripRunBytes + threads * kColumnSums * kSumBytes;
}

void MultiplyInTiles(const TileShape& shape, int threads, const std::byte* weights, int64_t rows,
                     const std::byte* x, std::byte* y, std::byte* scratch) {
  const bool few = rows <= kFewRows;
  const bool direct = few && shape.row_bytes() % kRunBytes == 0;
  std::byte* const packed = scratch + threads * kColumnSums * kSumBytes;
  if (!direct) PackStrips(shape, threads, rows, x, packed);
  const Product product = {shape, weights, rows, y, direct ? x : packed};
  const int64_t used = std::min<int64_t>(threads, shape.columns());
  ParallelFor(static_cast<int>(used), used, [&](int64_t thread) {
    auto* const sums = reinterpret_cast<float*>(scratch) + thread * kColumnSums;
    if (few) return MultiplyFew(product, direct, thread, used, sums);
    const int64_t strips = CeilDivide(rows, kStripRows);
    for (int64_t strip = 0; strip < strips; strip += kMostStrips) {
      MultiplyPart(product, strip, thread, used, sums);
    }
  });
}

}  // namespace plumbline
