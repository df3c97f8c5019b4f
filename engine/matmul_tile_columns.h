// The arithmetic of a packed matrix in tile registers (Intel AMX): 32 outputs times some rows.
//
// The canonical order, which makes a row's bits independent of the number of rows, of the threads
// and of how the inputs are cut: a sum over runs of 64 bytes of a row's inputs (32 in bf16, 64 in
// int8), ascending. In bf16 each run is added as TDPBF16PS adds it (even and odd inputs apart,
// fused, then together to the sum; f32, subnormal numbers count as zero); sums of int8 are exact in
// s32 (TDPBUSD). What is left of a row behind its last input is zero, of rows and of weights.
#ifndef PLUMBLINE_ENGINE_MATMUL_TILE_COLUMNS_H_
#define PLUMBLINE_ENGINE_MATMUL_TILE_COLUMNS_H_

#include <cstddef>
#include <cstdint>

namespace plumbline {

inline constexpr int kTileColumnOutputs = 32;
inline constexpr int kRunBytes = 64;  // of one row's inputs
// Two tiles, one after the other, of 16 outputs each: [2, 16, 16, 4] bytes, 4 of inputs together.
inline constexpr int kRunWeightBytes = kTileColumnOutputs * kRunBytes;
// From row to row of sums: of two columns, side by side.
inline constexpr int kSumStride = 2 * kTileColumnOutputs;
inline constexpr int kFewRows = 16;
inline constexpr int kStripRows = 32;
inline constexpr int kStripRunBytes = kStripRows * kRunBytes;
inline constexpr int kMostStrips = 8;  // of one call: their inputs stay in the core's own cache

// The calling thread's tile registers, set up for what follows until the end of its life: products
// of a few rows (of so many, 1 to kFewRows), or of strips (kTileRows). REQUIRES: UsesTiles();
// nobody else has the thread's registers.
class ColumnTiles {
 public:
  explicit ColumnTiles(int rows);
  ~ColumnTiles();
  ColumnTiles(const ColumnTiles&) = delete;
  ColumnTiles& operator=(const ColumnTiles&) = delete;
};

// Some neighbouring runs of a column.
struct ColumnRuns {
  bool int8 = false;  // u8 rows, s8 weights, s32 sums; else bf16 and f32
  int64_t first = 0;  // runs [first, last) of `total`
  int64_t last = 0;
  int64_t total = 0;
  const std::byte* weights = nullptr;  // the column's: [total, kRunWeightBytes]
  const std::byte* next = nullptr;     // what the thread reads next: fetched ahead
};

// Where a few rows lie: row r's run i at x + r * row_bytes + i * run_bytes.
struct FewRows {
  const std::byte* x = nullptr;
  int64_t row_bytes = 0;
  int64_t run_bytes = 0;
  int rows = 0;
};

// sums [rows, 32] = x W^T over all runs. For 1 to kFewRows rows, best at the rate of the memory.
// REQUIRES: ColumnTiles(rows.rows) lives; first = 0, last = total.
void MultiplyFewRows(const ColumnRuns& column, const FewRows& rows, float* sums);

// sums [strips * kStripRows, 32] += x W^T over the runs; = where `first` is 0. x: [strips, total,
// kStripRows, kRunBytes]. REQUIRES: ColumnTiles(kTileRows) lives; 0 < strips <= kMostStrips.
void MultiplyStrips(const ColumnRuns& column, const std::byte* x, int strips, float* sums);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_TILE_COLUMNS_H_
