#include "engine/matmul_tiles.h"

#include <algorithm>
#include <cstring>

#include "engine/matmul_tile_columns.h"
#include "engine/parallel.h"
#include "engine/rounding.h"
#include "engine/tile_registers.h"

namespace plumbline {
namespace {

constexpr int kSumBytes = 4;  // f32 or s32
constexpr int kPair = 2;      // columns that are sums side by side, and one block of results
static_assert(kPair * kTileColumnOutputs == kResultOutputs && kSumStride == kResultOutputs);
constexpr int64_t kPairSums = int64_t{kMostStrips} * kStripRows * kSumStride;
// The inputs of a call's strips that stay in the core's own cache while weights pass: 1 MiB.
constexpr int64_t kHeldStripRuns = 512;
// Weights that are unpacked and used, a thread's own.
constexpr int64_t kUnpackedBytes = int64_t{512} << 10;

// One product, and how its rows lie.
struct Product {
  const TileProduct& of;
  const std::byte* x;  // packed in strips, or a few rows
  bool direct;         // a few rows as the caller has them
  ResultSink sink;

  bool int8() const { return of.shape.dtype == WeightDtype::kInt8; }
  int64_t strips() const { return CeilDiv(of.rows, kStripRows); }
  // Some rows' results for a pair of columns.
  ResultBlock Block(int64_t row, int64_t rows, int64_t pair, float* sums) const {
    const int64_t output = pair * kResultOutputs;
    const int64_t outputs = std::min<int64_t>(kResultOutputs, of.shape.outputs - output);
    return {row, rows, output, outputs, sums, kSumStride};
  }
};

// Neighbouring pairs of columns, and where the first one's weights are.
struct Pairs {
  int64_t first;
  int64_t last;
  const std::byte* weights;
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

// Up to kMostStrips strips over some pairs, in panels of inputs that the core's cache holds beside
// weights.
void MultiplyPart(const Product& p, int64_t first_strip, const Pairs& pairs, float* sums) {
  const int64_t runs = p.of.shape.runs();
  const int64_t first_row = first_strip * kStripRows;
  const int64_t rows = std::min<int64_t>(p.of.rows - first_row, int64_t{kMostStrips} * kStripRows);
  const auto strips = static_cast<int>(CeilDiv(rows, kStripRows));
  const int64_t panel = CeilDiv(runs, CeilDiv(runs * strips, kHeldStripRuns));
  const std::byte* const x = p.x + first_strip * runs * kStripRunBytes;
  for (int64_t first = 0; first < runs; first += panel) {
    const int64_t last = std::min(first + panel, runs);
    const std::byte* weights = pairs.weights;
    for (int64_t pair = pairs.first; pair < pairs.last; ++pair) {
      const ResultBlock block = p.Block(first_row, rows, pair, sums);
      if (first > 0) CopySums(Copy::kTakeUp, p.of, block);
      for (int64_t half = 0; half < kPair; ++half) {
        const std::byte* const next = weights + runs * kRunWeightBytes;
        MultiplyStrips({p.int8(), first, last, runs, weights, next + first * kRunWeightBytes}, x,
                       strips, sums + half * kTileColumnOutputs);
        weights = next;
      }
      if (last < runs) {
        CopySums(Copy::kPutAside, p.of, block);
      } else {
        p.sink(block);
      }
    }
  }
}

void MultiplyFew(const Product& p, const Pairs& pairs, float* sums) {
  const int64_t runs = p.of.shape.runs();
  const FewRows rows = {p.x, p.direct ? p.of.shape.row_bytes() : kRunBytes,
                        p.direct ? kRunBytes : kStripRunBytes, static_cast<int>(p.of.rows)};
  const std::byte* weights = pairs.weights;
  for (int64_t pair = pairs.first; pair < pairs.last; ++pair) {
    for (int64_t half = 0; half < kPair; ++half, weights += runs * kRunWeightBytes) {
      MultiplyFewRows({p.int8(), 0, runs, runs, weights, nullptr}, rows,
                      sums + half * kTileColumnOutputs);
    }
    p.sink(p.Block(0, p.of.rows, pair, sums));
  }
}

void MultiplyPairs(const Product& p, const Pairs& pairs, float* sums) {
  const bool few = p.of.rows <= kFewRows;
  const ColumnTiles tiles(few ? static_cast<int>(p.of.rows) : kTileRows);
  if (few) return MultiplyFew(p, pairs, sums);
  for (int64_t strip = 0; strip < p.strips(); strip += kMostStrips) {
    MultiplyPart(p, strip, pairs, sums);
  }
}

// Calls fn(product, first pair, last pair, the thread's number, its room for sums) on each thread.
template <class Fn>
void OnThreads(const TileProduct& product, ResultSink sink, const Fn& fn) {
  const TileShape& shape = product.shape;
  const bool direct = product.rows <= kFewRows && shape.row_bytes() % kRunBytes == 0;
  std::byte* const packed = product.scratch + product.threads * kPairSums * kSumBytes;
  if (!direct) PackStrips(shape, product.threads, product.rows, product.x, packed);
  const Product p = {product, direct ? product.x : packed, direct, sink};
  ParallelRuns(
      product.threads, shape.columns() / kPair, [&](int64_t first, int64_t last, int64_t thread) {
        fn(p, first, last, thread, reinterpret_cast<float*>(product.scratch) + thread * kPairSums);
      });
}

int64_t PairBytes(const TileShape& shape) { return kPair * shape.runs() * kRunWeightBytes; }

// Pairs that are unpacked together: what stays in the core's own cache.
int64_t UnpackedPairs(const TileShape& shape) {
  return std::max<int64_t>(1, kUnpackedBytes / PairBytes(shape));
}

}  // namespace

bool MultipliesInTiles(WeightDtype dtype) {
  return UsesTiles() && (dtype == WeightDtype::kBf16 || dtype == WeightDtype::kInt8);
}

int64_t TileShape::row_bytes() const { return inputs * WeightDtypeBytes(dtype); }
int64_t TileShape::columns() const { return CeilDiv(outputs, kResultOutputs) * kPair; }
int64_t TileShape::runs() const { return CeilDiv(row_bytes(), kRunBytes); }

int64_t TileScratchBytes(const TileShape& shape, int threads, int64_t rows) {
  return CeilDiv(rows, kStripRows) * shape.runs() * kStripRunBytes +
         threads * kPairSums * kSumBytes;
}

int64_t UnpackedBytes(const TileShape& shape, int threads) {
  return threads * UnpackedPairs(shape) * PairBytes(shape);
}

void MultiplyInTiles(const TileProduct& product, ResultSink sink) {
  OnThreads(
      product, sink, [&](const Product& p, int64_t first, int64_t last, int64_t, float* sums) {
        MultiplyPairs(p, {first, last, product.weights + first * PairBytes(product.shape)}, sums);
      });
}

void MultiplyUnpacking(const TileProduct& product, std::byte* unpacked, TileUnpacker unpack,
                       ResultSink sink) {
  const int64_t pair_bytes = PairBytes(product.shape);
  const int64_t most = UnpackedPairs(product.shape);
  OnThreads(product, sink,
            [&](const Product& p, int64_t first, int64_t last, int64_t thread, float* sums) {
              std::byte* const to = unpacked + thread * most * pair_bytes;
              for (int64_t pair = first; pair < last; pair += most) {
                const int64_t end = std::min(pair + most, last);
                for (int64_t i = pair; i < end; ++i) {
                  unpack(i * kResultOutputs, to + (i - pair) * pair_bytes);
                }
                MultiplyPairs(p, {pair, end, to}, sums);
              }
            });
}

}  // namespace plumbline
