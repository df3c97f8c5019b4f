#include "engine/attention_products.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/tile_registers.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace plumbline {

#if defined(__x86_64__)

namespace {

// For this file alone: a whole file compiled for these would hand its inline functions to CPUs that
// lack them. Attributes have no other spelling to share.
#define PLUMBLINE_TILES __attribute__((target("amx-tile,amx-bf16")))
#define PLUMBLINE_PAIRS __attribute__((target("avx512f,avx512bf16")))

constexpr int kWeightBytes = 2 * kKeyGroup;  // of a group's weights in one row
constexpr int kLanes = 16;                   // floats of a vector
constexpr int kPairBytes = 4;

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
      MultiplyRun(weights + int64_t{group} * kWeightBytes, kScoreBytes, lower, values,
                  values + kTileBytes, value_stride);
    }
    StoreSums(sums + channel, value_stride, lower, true);
  }
  FinishStores();
  _tile_release();
}

// Sums of kRows rows and kVectors vectors of keys or channels, which stay in registers.
constexpr int kMostBlockRows = 6;
constexpr int kMostBlockVectors = 4;
template <int kRows, int kVectors>
struct Sums {
  __m512 at[kRows][kVectors];
};

// Where an operand of a block lies: rows of pairs, and vectors of pairs.
struct LeftRows {
  const std::byte* pairs;
  int64_t row_bytes;
};
struct RightVectors {
  std::array<const std::byte*, kMostBlockVectors> first;  // of each vector, the first pair's
  int64_t pair_bytes;                                     // from a pair to the next
  std::array<const std::byte*, kMostBlockVectors> fetch;  // what to bring meanwhile, likewise

  // `ahead` null: the lines that are read anyway.
  void Add(int vector, const std::byte* from, const std::byte* ahead) {
    first[vector] = from;
    fetch[vector] = ahead == nullptr ? from : ahead;
  }
};

template <int kRows, int kVectors>
PLUMBLINE_PAIRS inline void AddPairs(const LeftRows& left, const RightVectors& right, int pairs,
                                     Sums<kRows, kVectors>& sums) {
  for (int pair = 0; pair < pairs; ++pair) {
    __m512bh vectors[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = int64_t{pair} * right.pair_bytes;
      vectors[v] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(right.first[v] + at));
      _mm_prefetch(right.fetch[v] + at, _MM_HINT_T1);
    }
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      int32_t both = 0;
      std::memcpy(&both, left.pairs + r * left.row_bytes + int64_t{pair} * kPairBytes, kPairBytes);
      const auto broadcast = reinterpret_cast<__m512bh>(_mm512_set1_epi32(both));
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        sums.at[r][v] = _mm512_dpbf16_ps(sums.at[r][v], broadcast, vectors[v]);
      }
    }
  }
}

template <int kRows, int kVectors>
PLUMBLINE_PAIRS inline void StoreBlock(const Sums<kRows, kVectors>& sums, float* out,
                                       int64_t row_floats) {
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      _mm512_storeu_ps(out + r * row_floats + int64_t{v} * kLanes, sums.at[r][v]);
    }
  }
}

// The scores of kRows rows with kVectors groups of keys.
struct ScoreBlock {
  const SegmentView& segment;
  const std::byte* queries;
  float* scores;

  template <int kRows, int kVectors>
  PLUMBLINE_PAIRS void Run(int row, int group) const {
    const int64_t query_bytes = int64_t{2} * segment.head_dim;
    RightVectors right = {{}, kTileBytes, {}};
    for (int v = 0; v < kVectors; ++v) {
      right.Add(v, segment.keys[group + v],
                segment.fetch && row == 0 ? segment.values[group + v] : nullptr);
    }
    Sums<kRows, kVectors> sums = {};
    AddPairs<kRows, kVectors>({queries + row * query_bytes, query_bytes}, right,
                              segment.head_dim / 2, sums);
    StoreBlock<kRows, kVectors>(sums, scores + int64_t{row} * kScoreFloats + group * kKeyGroup,
                                kScoreFloats);
  }
};

// The weighted values of kRows rows, kVectors times 16 channels of them, over all groups.
struct ValueBlock {
  const SegmentView& segment;
  const std::byte* weights;
  int groups;
  float* sums;

  template <int kRows, int kVectors>
  PLUMBLINE_PAIRS void Run(int row, int vector) const {
    const std::byte* left = weights + row * kScoreBytes;
    const bool fetch = segment.fetch && segment.next != nullptr && row == 0;
    Sums<kRows, kVectors> block = {};
    for (int group = 0; group < groups; ++group, left += kWeightBytes) {
      RightVectors right = {{}, int64_t{kPairBytes} * segment.head_dim, {}};
      const std::byte* ahead = fetch ? segment.next->keys[group] : nullptr;
      for (int v = 0; v < kVectors; ++v) {
        const int64_t from = int64_t{vector + v} * kTileBytes;
        right.Add(v, segment.values[group] + from, ahead == nullptr ? nullptr : ahead + from);
      }
      AddPairs<kRows, kVectors>({left, kScoreBytes}, right, kKeyGroup / 2, block);
    }
    StoreBlock<kRows, kVectors>(
        block, sums + int64_t{row} * segment.head_dim + int64_t{vector} * kLanes, segment.head_dim);
  }
};

template <int kVectors, class Block>
void RunRows(const Block& block, int rows, int vector) {
  int row = 0;
  for (; row + kMostBlockRows <= rows; row += kMostBlockRows) {
    block.template Run<kMostBlockRows, kVectors>(row, vector);
  }
  switch (rows - row) {
    case 1:
      return block.template Run<1, kVectors>(row, vector);
    case 2:
      return block.template Run<2, kVectors>(row, vector);
    case 3:
      return block.template Run<3, kVectors>(row, vector);
    case 4:
      return block.template Run<4, kVectors>(row, vector);
    case 5:
      return block.template Run<5, kVectors>(row, vector);
    default:
      return;
  }
}

// All rows over a few vectors before the next, which so stay in the first cache.
template <class Block>
void RunBlocks(const Block& block, int rows, int vectors) {
  int vector = 0;
  for (; vector + 4 <= vectors; vector += 4) RunRows<4>(block, rows, vector);
  for (; vector + 2 <= vectors; vector += 2) RunRows<2>(block, rows, vector);
  if (vector < vectors) RunRows<1>(block, rows, vector);
}

#undef PLUMBLINE_TILES
#undef PLUMBLINE_PAIRS

}  // namespace

void ScoreInTileRegisters(const SegmentView& segment, const std::byte* queries, int rows,
                          int groups, float* scores) {
  ScoreInTiles(segment, queries, rows, groups, scores);
}

void AddValuesInTileRegisters(const SegmentView& segment, const std::byte* weights, int rows,
                              int groups, float* sums) {
  AddInTiles(segment, weights, rows, groups, sums);
}

void ScoreInPairs(const SegmentView& segment, const std::byte* queries, int rows, int groups,
                  float* scores) {
  RunBlocks(ScoreBlock{segment, queries, scores}, rows, groups);
}

void AddValuesInPairs(const SegmentView& segment, const std::byte* weights, int rows, int groups,
                      float* sums) {
  RunBlocks(ValueBlock{segment, weights, groups, sums}, rows, segment.head_dim / kLanes);
}

#else  // other CPUs have neither

void ScoreInTileRegisters(const SegmentView&, const std::byte*, int, int, float*) {}
void AddValuesInTileRegisters(const SegmentView&, const std::byte*, int, int, float*) {}
void ScoreInPairs(const SegmentView&, const std::byte*, int, int, float*) {}
void AddValuesInPairs(const SegmentView&, const std::byte*, int, int, float*) {}

#endif

}  // namespace plumbline
