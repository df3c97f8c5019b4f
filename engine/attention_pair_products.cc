// Products of pairs of bf16 (attention_products.h).
#include <algorithm>
#include <array>
#include <cstring>

#include "engine/attention_products.h"
#include "engine/rounding.h"
#include "engine/tile_registers.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace plumbline {

#if defined(__x86_64__)

namespace {

// For this file alone: see attention_tiles.cc.
#define PLUMBLINE_PAIRS __attribute__((target("avx512f,avx512bf16")))

constexpr int kLanes = 16;  // floats of a vector
constexpr int kPairBytes = 4;
constexpr int kLine = 64;

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
};

// One of the blocks that a product is cut into (RunBlocks).
struct Place {
  int row;     // the first one
  int vector;  // the first one
  int column;  // as many columns of blocks stand before it
  int strip;   // of the column's strips of rows, of `strips`
  int strips;
};

// Lines to bring in meanwhile: of two groups eight runs side by side, the halves of their keys and
// of their values; each pair stands for the next line of one group's. Run after run they come
// slower (bench/README.md). Strips share the pairs among them, as a core has few requests for lines
// and waits for them if it makes them all in its first strip.
struct FetchRuns {
  std::array<const std::byte*, 2> keys;
  std::array<const std::byte*, 2> values;
  int64_t half;  // bytes from the first run of a side to its second
  int first;     // the pair that this strip fetches for first
  int every;     // from one such pair to the next

  PLUMBLINE_PAIRS void Fetch(int group, int64_t at) const {
    _mm_prefetch(keys[group] + at, _MM_HINT_T1);
    _mm_prefetch(keys[group] + half + at, _MM_HINT_T1);
    _mm_prefetch(values[group] + at, _MM_HINT_T1);
    _mm_prefetch(values[group] + half + at, _MM_HINT_T1);
  }
};

template <int kRows, int kVectors>
PLUMBLINE_PAIRS inline void AddPair(const std::byte* left, int64_t row_bytes,
                                    const RightVectors& right, int64_t at,
                                    Sums<kRows, kVectors>& sums) {
  __m512bh vectors[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    vectors[v] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(right.first[v] + at));
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    int32_t both = 0;
    std::memcpy(&both, left + r * row_bytes, kPairBytes);
    const auto broadcast = reinterpret_cast<__m512bh>(_mm512_set1_epi32(both));
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      sums.at[r][v] = _mm512_dpbf16_ps(sums.at[r][v], broadcast, vectors[v]);
    }
  }
}

// `fetch` null: nothing is brought in. REQUIRES: an even number of pairs.
template <int kRows, int kVectors>
PLUMBLINE_PAIRS inline void AddPairs(const LeftRows& left, const RightVectors& right, int pairs,
                                     const FetchRuns* fetch, Sums<kRows, kVectors>& sums) {
  const std::byte* pair = left.pairs;
  int64_t at = 0;
  if (fetch != nullptr) {
    const FetchRuns runs = *fetch;
    int due = runs.first;
    for (int64_t line = 0; line < int64_t{pairs} / 2 * kLine; line += kLine) {
#pragma GCC unroll 2
      for (int group = 0; group < 2; ++group, pair += kPairBytes, at += right.pair_bytes) {
        AddPair<kRows, kVectors>(pair, left.row_bytes, right, at, sums);
        if (due-- > 0) continue;
        runs.Fetch(group, line);
        due = runs.every - 1;
      }
    }
    return;
  }
  for (int i = 0; i < pairs; ++i, pair += kPairBytes, at += right.pair_bytes) {
    AddPair<kRows, kVectors>(pair, left.row_bytes, right, at, sums);
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

// Columns of 4, 2 and 1 that so many vectors are cut into (RunBlocks).
constexpr int ColumnsOf(int vectors) {
  return vectors / kMostBlockVectors + vectors % kMostBlockVectors / 2 + vectors % 2;
}

// What a call fetches of a segment that comes next: two groups after two, one pair of them with
// each block of scores, the others while values are added.
class Fetcher {
 public:
  // `next` null: nothing.
  Fetcher(const SegmentView* next, int first_group) : next_(next), group_(first_group) {}

  // For the pairs of a block that follow `done` ones of this half. Null: nothing.
  const FetchRuns* Runs(const Place& place, int64_t done, FetchRuns* runs) const {
    if (next_ == nullptr) return nullptr;
    const int64_t pairs = next_->head_dim / 2;  // that bring two groups
    const int64_t group = group_ + done / pairs * 2;
    if (group >= next_->groups) return nullptr;
    const int64_t other = std::min<int64_t>(group + 1, next_->groups - 1);
    const int64_t from = done % pairs / 2 * kLine;
    const auto side = [&](const auto& panels) {
      return std::array{panels[group] + from, panels[other] + from};
    };
    *runs = {side(next_->keys), side(next_->values), int64_t{kKeyGroup} * next_->head_dim,
             place.strip, place.strips};
    return runs;
  }

 private:
  const SegmentView* next_;
  int group_;
};

// The scores of kRows rows with kVectors groups of keys.
struct ScoreBlock {
  const SegmentView& segment;
  const std::byte* queries;
  float* scores;

  template <int kRows, int kVectors>
  PLUMBLINE_PAIRS void Run(const Place& place) const {
    const int group = place.vector;
    const int64_t query_bytes = int64_t{2} * segment.head_dim;
    const int pairs = segment.head_dim / 2;
    RightVectors right = {{}, kTileBytes};
    for (int v = 0; v < kVectors; ++v) right.first[v] = segment.keys[group + v];
    FetchRuns room;
    const FetchRuns* fetch =
        Fetcher(segment.next, 0).Runs(place, int64_t{place.column} * pairs, &room);
    Sums<kRows, kVectors> sums = {};
    AddPairs<kRows, kVectors>({queries + place.row * query_bytes, query_bytes}, right, pairs, fetch,
                              sums);
    StoreBlock<kRows, kVectors>(
        sums, scores + int64_t{place.row} * kScoreFloats + group * kKeyGroup, kScoreFloats);
  }
};

// The weighted values of kRows rows, kVectors times 16 channels of them, over all groups.
struct ValueBlock {
  const SegmentView& segment;
  const std::byte* weights;
  int groups;
  float* sums;

  template <int kRows, int kVectors>
  PLUMBLINE_PAIRS void Run(const Place& place) const {
    constexpr int kPairs = kKeyGroup / 2;
    const int vector = place.vector;
    const std::byte* left = weights + place.row * kScoreBytes;
    const bool fetches = kVectors == kMostBlockVectors;
    const Fetcher fetcher(fetches ? segment.next : nullptr, 2 * ColumnsOf(groups));
    int64_t done = int64_t{place.column} * groups * kPairs;
    Sums<kRows, kVectors> block = {};
    for (int group = 0; group < groups; ++group, left += kGroupWeightBytes, done += kPairs) {
      RightVectors right = {{}, int64_t{kPairBytes} * segment.head_dim};
      for (int v = 0; v < kVectors; ++v) {
        right.first[v] = segment.values[group] + int64_t{vector + v} * kTileBytes;
      }
      FetchRuns room;
      AddPairs<kRows, kVectors>({left, kScoreBytes}, right, kPairs,
                                fetcher.Runs(place, done, &room), block);
    }
    StoreBlock<kRows, kVectors>(
        block, sums + int64_t{place.row} * segment.head_dim + int64_t{vector} * kLanes,
        segment.head_dim);
  }
};

template <int kVectors, class Block>
void RunColumn(const Block& block, int rows, int vector, int column) {
  const auto strips = static_cast<int>(CeilDiv(rows, kMostBlockRows));
  Place place = {0, vector, column, 0, strips};
  for (; place.row + kMostBlockRows <= rows; place.row += kMostBlockRows, ++place.strip) {
    block.template Run<kMostBlockRows, kVectors>(place);
  }
  switch (rows - place.row) {
    case 1:
      return block.template Run<1, kVectors>(place);
    case 2:
      return block.template Run<2, kVectors>(place);
    case 3:
      return block.template Run<3, kVectors>(place);
    case 4:
      return block.template Run<4, kVectors>(place);
    case 5:
      return block.template Run<5, kVectors>(place);
    default:
      return;
  }
}

// All rows over a few vectors before the next, which so stay in the first cache.
template <class Block>
void RunBlocks(const Block& block, int rows, int vectors) {
  int vector = 0;
  int column = 0;
  for (; vector + 4 <= vectors; vector += 4) RunColumn<4>(block, rows, vector, column++);
  for (; vector + 2 <= vectors; vector += 2) RunColumn<2>(block, rows, vector, column++);
  if (vector < vectors) RunColumn<1>(block, rows, vector, column);
}

#undef PLUMBLINE_PAIRS

}  // namespace

void ScoreInPairs(const SegmentView& segment, const std::byte* queries, int rows, int groups,
                  float* scores) {
  RunBlocks(ScoreBlock{segment, queries, scores}, rows, groups);
}

void AddValuesInPairs(const SegmentView& segment, const std::byte* weights, int rows, int groups,
                      float* sums) {
  RunBlocks(ValueBlock{segment, weights, groups, sums}, rows, segment.head_dim / kLanes);
}

#else  // other CPUs have no such products

void ScoreInPairs(const SegmentView&, const std::byte*, int, int, float*) {}
void AddValuesInPairs(const SegmentView&, const std::byte*, int, int, float*) {}

#endif

}  // namespace plumbline
