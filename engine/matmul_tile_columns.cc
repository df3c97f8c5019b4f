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
constexpr int64_t kSumBytes = int64_t{4} * kSumStride;
// More strips than one: runs whose weights stay in the first cache while all strips pass over them,
// and the lines of the runs behind that are fetched with each but the first. Few strips do not
// fetch them all so; with more from here both become slower (bench/README.md).
constexpr int64_t kHeldRuns = 8;
constexpr int kLinesAhead = 4;

// Reads a word of each line of a tile, so that it is on its way before the tile is loaded: loads of
// tiles alone do not keep as many lines coming from memory as loads of words do.
inline void Touch(const std::byte* tile) {
  for (int row = 0; row < kTileRows; ++row) {
    static_cast<void>(*reinterpret_cast<const volatile uint64_t*>(tile + row * kTileBytes));
  }
}

// Two sums of 16 outputs each over all runs.
template <bool kInt8>
PLUMBLINE_TILES void AddFew(const ColumnRuns& column, const FewRows& rows) {
  const std::byte* x = rows.x;
  const std::byte* w = column.weights;
  for (int64_t run = 0; run < column.total; ++run, x += rows.run_bytes, w += kRunWeightBytes) {
    Touch(w);
    _tile_loadd(4, x, rows.row_bytes);
    _tile_loadd(6, w, kTileBytes);
    Touch(w + kTileSize);
    _tile_loadd(7, w + kTileSize, kTileBytes);
    if constexpr (kInt8) {
      _tile_dpbusd(0, 4, 6);
      _tile_dpbusd(1, 4, 7);
    } else {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
    }
  }
}

// A square of 32 rows and 32 outputs.
PLUMBLINE_TILES inline void LoadSquare(const float* sums) {
  const float* lower = sums + kTileRows * kSumStride;
  _tile_loadd(0, sums, kSumBytes);
  _tile_loadd(1, sums + kTileRows, kSumBytes);
  _tile_loadd(2, lower, kSumBytes);
  _tile_loadd(3, lower + kTileRows, kSumBytes);
}
PLUMBLINE_TILES inline void StoreSquare(float* sums) {
  float* lower = sums + kTileRows * kSumStride;
  _tile_stored(0, sums, kSumBytes);
  _tile_stored(1, sums + kTileRows, kSumBytes);
  _tile_stored(2, lower, kSumBytes);
  _tile_stored(3, lower + kTileRows, kSumBytes);
}

// Adds one run of a strip to the square. kTouch: of weights that come from memory.
template <bool kInt8, bool kTouch>
PLUMBLINE_TILES inline void AddRun(const std::byte* x, const std::byte* w) {
  if constexpr (kTouch) Touch(w);
  _tile_loadd(4, x, kTileBytes);
  _tile_loadd(6, w, kTileBytes);
  _tile_loadd(5, x + kTileSize, kTileBytes);
  if constexpr (kTouch) Touch(w + kTileSize);
  _tile_loadd(7, w + kTileSize, kTileBytes);
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

// Runs [first, last) of one strip, while lines from `ahead` on come in: with each run some.
template <bool kInt8>
PLUMBLINE_TILES const char* AddRunsFetching(const ColumnRuns& column, int64_t first, int64_t last,
                                            const std::byte* x, const char* ahead) {
  for (int64_t run = first; run < last; ++run, ahead += kLinesAhead * kLine) {
    for (int i = 0; i < kLinesAhead; ++i) _mm_prefetch(ahead + i * kLine, _MM_HINT_T1);
    AddRun<kInt8, false>(x + run * kStripRunBytes, column.weights + run * kRunWeightBytes);
  }
  return ahead;
}

template <bool kInt8>
PLUMBLINE_TILES void AddRunsTouching(const ColumnRuns& column, int64_t first, int64_t last,
                                     const std::byte* x) {
  for (int64_t run = first; run < last; ++run) {
    AddRun<kInt8, true>(x + run * kStripRunBytes, column.weights + run * kRunWeightBytes);
  }
}

// A few runs at a time, all strips over each. The first strip brings what has not come in while the
// strips passed over the runs before. A lone strip keeps its sums in tiles over all runs.
template <bool kInt8>
PLUMBLINE_TILES void AddStrips(const ColumnRuns& column, const std::byte* x, int strips,
                               float* sums) {
  const int64_t held = strips == 1 ? column.last - column.first : kHeldRuns;
  for (int64_t first = column.first; first < column.last; first += held) {
    const int64_t last = std::min(first + held, column.last);
    const auto* ahead = reinterpret_cast<const char*>(
        last < column.last ? column.weights + last * kRunWeightBytes : column.next);
    for (int strip = 0; strip < strips; ++strip) {
      float* const square = sums + strip * kStripRows * kSumStride;
      const std::byte* const rows = x + strip * column.total * kStripRunBytes;
      if (first == 0) {
        ZeroTileSums();
      } else {
        LoadSquare(square);
      }
      if (strip == 0) {
        AddRunsTouching<kInt8>(column, first, last, rows);
      } else {
        ahead = AddRunsFetching<kInt8>(column, first, last, rows, ahead);
      }
      StoreSquare(square);
    }
  }
}

template <bool kInt8>
PLUMBLINE_TILES void Few(const ColumnRuns& column, const FewRows& rows, float* sums) {
  _tile_zero(0);
  _tile_zero(1);
  AddFew<kInt8>(column, rows);
  _tile_stored(0, sums, kSumBytes);
  _tile_stored(1, sums + kTileRows, kSumBytes);
}

// Sums in tiles 0 to 3, rows in 4 and 5, weights in 6 and 7.
PLUMBLINE_TILES void Configure(int rows) {
  TileConfig config;
  for (size_t i = 0; i < 8; ++i) {
    config.row_bytes[i] = kTileBytes;
    config.rows[i] = static_cast<uint8_t>(i < 6 ? rows : kTileRows);
  }
  ConfigureTiles(config);
}

PLUMBLINE_TILES void Release() { _tile_release(); }

#undef PLUMBLINE_TILES

}  // namespace

// Calls of functions: the attribute is lost on the copies that GCC makes of constructors and
// destructors.
ColumnTiles::ColumnTiles(int rows) { Configure(rows); }
ColumnTiles::~ColumnTiles() { Release(); }

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
    AddStrips<true>(column, x, strips, sums);
  } else {
    AddStrips<false>(column, x, strips, sums);
  }
  FinishStores();
}

#else  // other CPUs have no such tiles

ColumnTiles::ColumnTiles(int) {}
ColumnTiles::~ColumnTiles() = default;
void MultiplyFewRows(const ColumnRuns&, const FewRows&, float*) {}
void MultiplyStrips(const ColumnRuns&, const std::byte*, int, float*) {}

#endif

}  // namespace plumbline
