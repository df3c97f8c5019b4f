#include "engine/matmul_tile_columns.h"

#include <algorithm>

#include "engine/tile_registers.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace plumbline {

#if defined(__x86_64__)

namespace {

// For this file alone: see attention_tiles.cc.
#define PLUMBLINE_TILES __attribute__((target("amx-tile,amx-bf16,amx-int8")))

constexpr int kLine = 64;
constexpr int kRunLines = kRunWeightBytes / kLine;
constexpr int64_t kSumBytes = kTileColumnOutputs * int64_t{4};  // from row to row of the sums
constexpr int64_t kPackedRow =
    kTileColumnOutputs * int64_t{4};  // from row to row of packed weights
// Few rows are bound by memory: this far ahead of the products into the core's caches.
constexpr int kFarBytes = 2 * kRunWeightBytes;  // the second
constexpr int kNearBytes = kRunWeightBytes;     // the first
// Runs whose weights stay in the first cache while all strips pass over them.
constexpr int64_t kHeldRuns = 8;

// Sums in tiles 0 to 3, rows in 4 and 5, weights in 6 and 7.
PLUMBLINE_TILES void Configure(int rows) {
  TileConfig config;
  for (size_t i = 0; i < 8; ++i) {
    config.row_bytes[i] = kTileBytes;
    config.rows[i] = static_cast<uint8_t>(i < 6 ? rows : kTileRows);
  }
  _tile_loadconfig(&config);
}

// The compiler does not know that tiles read and write memory.
inline void FinishStores() { asm volatile("" ::: "memory"); }

PLUMBLINE_TILES inline void FetchFewAhead(const std::byte* run) {
  const auto* lines = reinterpret_cast<const char*>(run);
  for (int i = 0; i < kRunLines; ++i) _mm_prefetch(lines + kFarBytes + i * kLine, _MM_HINT_T1);
  for (int i = 0; i < kRunLines; ++i) _mm_prefetch(lines + kNearBytes + i * kLine, _MM_HINT_T0);
}

// Four sums of 16 outputs each over all runs.
template <bool kInt8>
PLUMBLINE_TILES void AddFew(const ColumnRuns& column, const FewRows& rows) {
  const std::byte* x = rows.x;
  const std::byte* w = column.weights;
  for (int64_t run = 0; run < column.total; ++run, x += rows.run_bytes, w += kRunWeightBytes) {
    FetchFewAhead(w);
    _tile_loadd(4, x, rows.row_bytes);
    _tile_loadd(6, w, kPackedRow);
    _tile_loadd(7, w + kTileBytes, kPackedRow);
    if constexpr (kInt8) {
      _tile_dpbusd(0, 4, 6);
      _tile_dpbusd(1, 4, 7);
    } else {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
    }
    _tile_loadd(6, w + 2 * kTileBytes, kPackedRow);
    _tile_loadd(7, w + 3 * kTileBytes, kPackedRow);
    if constexpr (kInt8) {
      _tile_dpbusd(2, 4, 6);
      _tile_dpbusd(3, 4, 7);
    } else {
      _tile_dpbf16ps(2, 4, 6);
      _tile_dpbf16ps(3, 4, 7);
    }
  }
}

PLUMBLINE_TILES inline void ZeroSums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// A square of 32 rows and 32 outputs.
PLUMBLINE_TILES inline void LoadSquare(const float* sums) {
  const float* lower = sums + kTileRows * kTileColumnOutputs;
  _tile_loadd(0, sums, kSumBytes);
  _tile_loadd(1, sums + kTileRows, kSumBytes);
  _tile_loadd(2, lower, kSumBytes);
  _tile_loadd(3, lower + kTileRows, kSumBytes);
}
PLUMBLINE_TILES inline void StoreSquare(float* sums) {
  float* lower = sums + kTileRows * kTileColumnOutputs;
  _tile_stored(0, sums, kSumBytes);
  _tile_stored(1, sums + kTileRows, kSumBytes);
  _tile_stored(2, lower, kSumBytes);
  _tile_stored(3, lower + kTileRows, kSumBytes);
}

// Lines to fetch with each run, and where the next ones lie.
struct Ahead {
  int lines;
  const char* from;
};

// Adds `runs` runs of a strip and of half a column to the square.
template <bool kInt8>
PLUMBLINE_TILES inline void AddSquare(int64_t runs, const std::byte* x, const std::byte* w,
                                      Ahead* ahead) {
  for (int64_t run = 0; run < runs; ++run, x += kStripRunBytes, w += kRunWeightBytes) {
    for (int i = 0; i < ahead->lines; ++i) _mm_prefetch(ahead->from + i * kLine, _MM_HINT_T1);
    ahead->from += ahead->lines * kLine;
    _tile_loadd(4, x, kTileBytes);
    _tile_loadd(6, w, kPackedRow);
    _tile_loadd(5, x + kTileRows * kTileBytes, kTileBytes);
    _tile_loadd(7, w + kTileBytes, kPackedRow);
    if constexpr (kInt8) {
      _tile_dpbusd(0, 4, 6);
      _tile_dpbusd(1, 4, 7);
      _tile_dpbusd(2, 5, 6);
      _tile_dpbusd(3, 5, 7);
    } else {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
}

// A few runs at a time, all strips over each: while they pass, the runs behind come in.
template <bool kInt8>
PLUMBLINE_TILES void AddStrips(const ColumnRuns& column, const std::byte* x, int strips,
                               float* sums) {
  for (int64_t first = column.first; first < column.last; first += kHeldRuns) {
    const int64_t last = std::min(first + kHeldRuns, column.last);
    const std::byte* const behind =
        last < column.last ? column.weights + last * kRunWeightBytes : column.next;
    Ahead ahead = {(kRunLines / 2 + strips - 1) / strips, reinterpret_cast<const char*>(behind)};
    for (int strip = 0; strip < strips; ++strip) {
      const std::byte* const rows = x + (strip * column.total + first) * kStripRunBytes;
      for (int half = 0; half < 2; ++half) {
        float* const square =
            sums + strip * kStripRows * kTileColumnOutputs + half * kTileColumnOutputs / 2;
        if (first == 0) {
          ZeroSums();
        } else {
          LoadSquare(square);
        }
        AddSquare<kInt8>(last - first, rows,
                         column.weights + first * kRunWeightBytes + half * 2 * kTileBytes, &ahead);
        StoreSquare(square);
      }
    }
  }
}

template <bool kInt8>
PLUMBLINE_TILES void Few(const ColumnRuns& column, const FewRows& rows, float* sums) {
  Configure(rows.rows);
  ZeroSums();
  AddFew<kInt8>(column, rows);
  _tile_stored(0, sums, kSumBytes);
  _tile_stored(1, sums + kTileRows, kSumBytes);
  _tile_stored(2, sums + 2 * kTileRows, kSumBytes);
  _tile_stored(3, sums + 3 * kTileRows, kSumBytes);
  _tile_release();
}

template <bool kInt8>
PLUMBLINE_TILES void Strips(const ColumnRuns& column, const std::byte* x, int strips, float* sums) {
  Configure(kTileRows);
  AddStrips<kInt8>(column, x, strips, sums);
  _tile_release();
}

#undef PLUMBLINE_TILES

}  // namespace

void MultiplyFewRows(const ColumnRuns& column, const FewRows& rows, float* sums) {
  FinishStores();
  if (column.int8) {
    Few<true>(column, rows, sums);
  } else {
    Few<false>(column, rows, sums);
  }
  FinishStores();
}

void MultiplyStrips(const ColumnRuns& column, const std::byte* x, int strips, float* sums) {
  FinishStores();
  if (column.int8) {
    Strips<true>(column, x, strips, sums);
  } else {
    Strips<false>(column, x, strips, sums);
  }
  FinishStores();
}

#else  // other CPUs have no such tiles

void MultiplyFewRows(const ColumnRuns&, const FewRows&, float*) {}
void MultiplyStrips(const ColumnRuns&, const std::byte*, int, float*) {}

#endif

}  // namespace plumbline
