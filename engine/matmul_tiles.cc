#include "engine/matmul_tiles.h"

#include <algorithm>
#include <cstring>

#include "engine/matmul.h"
#include "engine/matmul_tile_columns.h"
#include "engine/parallel.h"
#include "engine/tile_registers.h"

namespace plumbline {
namespace {

constexpr int kSumBytes = 4;  // f32 or s32
constexpr int kPair = 2;      // columns that are sums side by side, and one block of results
static_assert(kPair * kTileColumnOutputs == kResultOutputs && kSumStride == kResultOutputs);
constexpr int kCallStrips = kMatmulCallRows / kStripRows;
constexpr int64_t kPairSums = int64_t{kMostStrips} * kStripRows * kSumStride;
// The inputs of a call's strips that stay in the core's own cache while weights pass: 1 MiB.
constexpr int64_t kHeldStripRuns = 512;

int64_t CeilDivide(int64_t value, int64_t by) { return (value + by - 1) / by; }

// One product, and how its rows lie.
struct Product {
  const TileProduct& of;
  const std::byte* x;  // packed in strips, or a few rows
  ResultSink sink;

  const std::byte* weights(int64_t column) const {
    return of.weights + column * of.shape.runs() * kRunWeightBytes;
  }
  bool int8() const { return of.shape.dtype == WeightDtype::kInt8; }
  int64_t pairs() const { return of.shape.columns() / kPair; }
  // Some rows' results for a pair of columns.
  ResultBlock Block(int64_t row, int64_t rows, int64_t pair, float* sums) const {
    const int64_t output = pair * kResultOutputs;
    const int64_t outputs = std::min<int64_t>(kResultOutputs, of.shape.outputs - output);
    return {row, rows, output, outputs, sums, kSumStride};
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

// Calls fn(pair) for the pairs of `thread`, in order.
template <class Fn>
void ForPairs(int64_t pairs, int64_t thread, int64_t threads, const Fn& fn) {
  const int64_t last = pairs * (thread + 1) / threads;
  for (int64_t pair = pairs * thread / threads; pair < last; ++pair) fn(pair);
}

// Sums that are not whole yet, taken up again or put aside.
enum class Copy : uint8_t { kTakeUp, kPutAside };
void CopySums(Copy copy, const TileProduct& of, const ResultBlock& block) {
  const auto bytes = static_cast<size_t>(block.outputs * kSumBytes);
  for (int64_t row = 0; row < block.rows; ++row) {
    float* const sums = block.values + row * block.stride;
    float* const aside = of.room + (block.row + row) * of.shape.outputs + block.output;
    if (copy == Copy::kTakeUp) {
      std::memcpy(sums, aside, bytes);
    } else {
      std::memcpy(aside, sums, bytes);
    }
  }
}

// Up to kMostStrips strips over a thread's pairs, in panels of inputs that its cache holds beside
// weights.
void MultiplyPart(const Product& p, int64_t first_strip, int64_t thread, int64_t threads,
                  float* sums) {
  const int64_t runs = p.of.shape.runs();
  const int64_t first_row = first_strip * kStripRows;
  const int64_t rows = std::min<int64_t>(p.of.rows - first_row, int64_t{kMostStrips} * kStripRows);
  const auto strips = static_cast<int>(CeilDivide(rows, kStripRows));
  const int64_t panel = CeilDivide(runs, CeilDivide(runs * strips, kHeldStripRuns));
  const std::byte* const x = p.x + first_strip * runs * kStripRunBytes;
  for (int64_t first = 0; first < runs; first += panel) {
    const int64_t last = std::min(first + panel, runs);
    ForPairs(p.pairs(), thread, threads, [&](int64_t pair) {
      const ResultBlock block = p.Block(first_row, rows, pair, sums);
      if (first > 0) CopySums(Copy::kTakeUp, p.of, block);
      for (int64_t half = 0; half < kPair; ++half) {
        const int64_t column = pair * kPair + half;
        MultiplyStrips({p.int8(), first, last, runs, p.weights(column),
                        p.weights(column + 1) + first * kRunWeightBytes},
                       x, strips, sums + half * kTileColumnOutputs);
      }
      if (last < runs) return CopySums(Copy::kPutAside, p.of, block);
      p.sink(block);
    });
  }
}

// `direct`: x is the caller's, not in strips.
void MultiplyFew(const Product& p, bool direct, int64_t thread, int64_t threads, float* sums) {
  const int64_t runs = p.of.shape.runs();
  const FewRows rows = {p.x, direct ? p.of.shape.row_bytes() : kRunBytes,
                        direct ? kRunBytes : kStripRunBytes, static_cast<int>(p.of.rows)};
  ForPairs(p.pairs(), thread, threads, [&](int64_t pair) {
    for (int64_t half = 0; half < kPair; ++half) {
      MultiplyFewRows({p.int8(), 0, runs, runs, p.weights(pair * kPair + half), nullptr}, rows,
                      sums + half * kTileColumnOutputs);
    }
    p.sink(p.Block(0, p.of.rows, pair, sums));
  });
}

}  // namespace

bool MultipliesInTiles(WeightDtype dtype) {
  return (dtype == WeightDtype::kBf16 || dtype == WeightDtype::kInt8) && UsesTiles();
}

int64_t TileShape::row_bytes() const { return inputs * WeightDtypeBytes(dtype); }
int64_t TileShape::columns() const { return CeilDivide(outputs, kResultOutputs) * kPair; }
int64_t TileShape::runs() const { return CeilDivide(row_bytes(), kRunBytes); }

int64_t TileScratchBytes(const TileShape& shape, int threads) {
  return kCallStrips * shape.runs() * kStripRunBytes + threads * kPairSums * kSumBytes;
}

void MultiplyInTiles(const TileProduct& product, ResultSink sink) {
  const TileShape& shape = product.shape;
  const bool few = product.rows <= kFewRows;
  const bool direct = few && shape.row_bytes() % kRunBytes == 0;
  std::byte* const packed = product.scratch + product.threads * kPairSums * kSumBytes;
  if (!direct) PackStrips(shape, product.threads, product.rows, product.x, packed);
  const Product p = {product, direct ? product.x : packed, sink};
  const int64_t used = std::min<int64_t>(product.threads, p.pairs());
  ParallelFor(static_cast<int>(used), used, [&](int64_t thread) {
    auto* const sums = reinterpret_cast<float*>(product.scratch) + thread * kPairSums;
    if (few) return MultiplyFew(p, direct, thread, used, sums);
    const int64_t strips = CeilDivide(product.rows, kStripRows);
    for (int64_t strip = 0; strip < strips; strip += kMostStrips) {
      MultiplyPart(p, strip, thread, used, sums);
    }
  });
}

}  // namespace plumbline
