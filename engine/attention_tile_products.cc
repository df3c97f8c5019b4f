// Products in tile registers (attention_products.h).
#include <algorithm>

#include "engine/attention_products.h"
#include "engine/tile_registers.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace plumbline {

#if defined(__x86_64__)

namespace {

// For this file alone: see attention_tiles.cc.
#define PLUMBLINE_TILES __attribute__((target("amx-tile,amx-bf16")))

constexpr int kLanes = 16;  // floats of a vector

// Sums in tiles 0 to 3 (two by two), rows in 4 and 5, keys or values in 6 and 7.
// For products of `rows` rows (1 to kMostQueryRows) over `terms` elements of bf16 at a time.
PLUMBLINE_TILES void Configure(int rows, int terms) {
  TileConfig config;
  const auto upper = static_cast<uint8_t>(std::min(rows, kTileRows));
  const auto lower = static_cast<uint8_t>(std::max(rows - kTileRows, 1));
  const auto left_bytes = static_cast<uint16_t>(2 * terms);
  const auto right_rows = static_cast<uint8_t>(terms / 2);  // of pairs
  for (size_t i = 0; i < 8; ++i) config.row_bytes[i] = kTileBytes;
  config.row_bytes[4] = config.row_bytes[5] = left_bytes;
  config.rows = {upper, upper, lower, lower, upper, lower, right_rows, right_rows};
  ConfigureTiles(config);
}

// One operand from `left` ([rows, terms] bf16, `left_stride` bytes apart) times two ([terms / 2,
// 16, 2], `right_stride` bytes apart), added to the sums.
PLUMBLINE_TILES inline void MultiplyRun(const std::byte* left, int64_t left_stride, bool lower,
                                        const std::byte* first, const std::byte* second,
                                        int64_t right_stride) {
  _tile_loadd(6, first, right_stride);
  _tile_loadd(4, left, left_stride);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, second, right_stride);
  _tile_dpbf16ps(1, 4, 7);
  if (!lower) return;
  _tile_loadd(5, left + kTileRows * left_stride, left_stride);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

// The sums to `out` and, of the second operand, 16 floats behind.
PLUMBLINE_TILES inline void StoreSums(float* out, int64_t stride_bytes, bool lower, bool second) {
  const int64_t below = kTileRows * stride_bytes / static_cast<int64_t>(sizeof(float));
  _tile_stored(0, out, stride_bytes);
  if (lower) _tile_stored(2, out + below, stride_bytes);
  if (!second) return;
  _tile_stored(1, out + kLanes, stride_bytes);
  if (lower) _tile_stored(3, out + below + kLanes, stride_bytes);
}

PLUMBLINE_TILES void ScoreInTiles(const SegmentView& segment, const std::byte* queries, int rows,
                                  int groups, float* scores) {
  const int64_t query_stride = int64_t{2} * segment.head_dim;
  const bool lower = rows > kTileRows;
  Configure(rows, kTileRun);
  FinishStores();
  for (int group = 0; group < groups; group += 2) {
    const bool second = group + 1 < groups;
    const std::byte* left = segment.keys[group];
    const std::byte* right = second ? segment.keys[group + 1] : left;
    ZeroTileSums();
    for (int run = 0; run < segment.head_dim / kTileRun; ++run) {
      const int64_t from = int64_t{run} * kTileRows * kTileBytes;
      MultiplyRun(queries + int64_t{run} * kTileBytes, query_stride, lower, left + from,
                  right + from, kTileBytes);
    }
    StoreSums(scores + int64_t{group} * kKeyGroup, kScoreBytes, lower, second);
  }
  FinishStores();
  _tile_release();
}

PLUMBLINE_TILES void AddInTiles(const SegmentView& segment, const std::byte* weights, int rows,
                                int groups, float* sums) {
  const int64_t value_stride = int64_t{4} * segment.head_dim;  // of a pair of keys
  const bool lower = rows > kTileRows;
  Configure(rows, kKeyGroup);
  FinishStores();
  for (int channel = 0; channel < segment.head_dim; channel += 2 * kLanes) {
    ZeroTileSums();
    for (int group = 0; group < groups; ++group) {
      const std::byte* values = segment.values[group] + int64_t{4} * channel;
      MultiplyRun(weights + int64_t{group} * kGroupWeightBytes, kScoreBytes, lower, values,
                  values + kTileBytes, value_stride);
    }
    StoreSums(sums + channel, value_stride, lower, true);
  }
  FinishStores();
  _tile_release();
}

#undef PLUMBLINE_TILES

}  // namespace

void ScoreInTileRegisters(const SegmentView& segment, const std::byte* queries, int rows,
                          int groups, float* scores) {
  ScoreInTiles(segment, queries, rows, groups, scores);
}

void AddValuesInTileRegisters(const SegmentView& segment, const std::byte* weights, int rows,
                              int groups, float* sums) {
  AddInTiles(segment, weights, rows, groups, sums);
}

#else  // other CPUs have none

void ScoreInTileRegisters(const SegmentView&, const std::byte*, int, int, float*) {}
void AddValuesInTileRegisters(const SegmentView&, const std::byte*, int, int, float*) {}

#endif

}  // namespace plumbline
