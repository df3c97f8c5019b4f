#include "engine/attention_tiles.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "engine/attention_products.h"
#include "engine/tile_values.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace plumbline {

#if defined(__x86_64__)

namespace {

// For this file alone: a whole file compiled for these would hand its inline functions to CPUs that
// lack them. An attribute has no other spelling to share.
#define PLUMBLINE_VECTORS __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))

constexpr int kLanes = 16;     // floats of a vector
constexpr int kRunBytes = 64;  // of kTileRun elements

PLUMBLINE_VECTORS void ScaleAndRound(const float* query, int head_dim, float scale,
                                     std::byte* out) {
  const __m512 factor = _mm512_set1_ps(scale);
  for (int d = 0; d < head_dim; d += 2 * kLanes, out += kRunBytes) {
    const __m512bh rounded =
        _mm512_cvtne2ps_pbh(_mm512_mul_ps(factor, _mm512_loadu_ps(query + d + kLanes)),
                            _mm512_mul_ps(factor, _mm512_loadu_ps(query + d)));
    std::memcpy(out, &rounded, sizeof(rounded));
  }
}

// 2^x for x <= 0: 2^floor(x) times a polynomial in what is left, of degree 3 with p(0) = 1, which
// is off by 8.6e-5 at most (a rounding to bf16 follows, by up to 2e-3). NaN stays NaN.
PLUMBLINE_VECTORS inline __m512 Exp2(__m512 x) {
  const __m512 part = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF);
  __m512 p = _mm512_set1_ps(0.07706713676452637f);
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(0.2276448905467987f));
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(0.6951168179512024f));
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, x);
}

// Of lanes key, key + 1, ...: those before `visible`.
inline uint16_t LanesBefore(int visible, int key) {
  return static_cast<uint16_t>((1U << std::clamp(visible - key, 0, kLanes)) - 1);
}

// Of the first `visible` scores of a row. Two lines of maxima, so that none waits for the last.
PLUMBLINE_VECTORS inline float RowMaximum(const float* row, int visible) {
  const __m512 lowest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  __m512 even = lowest;
  __m512 odd = lowest;
  int key = 0;
  for (; key + 2 * kLanes <= visible; key += 2 * kLanes) {
    even = _mm512_max_ps(even, _mm512_loadu_ps(row + key));
    odd = _mm512_max_ps(odd, _mm512_loadu_ps(row + key + kLanes));
  }
  for (; key < visible; key += kLanes) {
    const __m512 score = _mm512_loadu_ps(row + key);
    even = _mm512_mask_max_ps(even, LanesBefore(visible, key), even, score);
  }
  return _mm512_reduce_max_ps(_mm512_max_ps(even, odd));
}

// A row's sum of rounded weights: of even and of odd keys.
struct WeightSums {
  __m512 even;
  __m512 odd;
};

// Rounds 32 weights to bf16, stores them and adds what was stored.
PLUMBLINE_VECTORS inline void StoreWeights(__m512 first, __m512 second, std::byte* to,
                                           WeightSums& sums) {
  const auto rounded = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
  _mm512_storeu_si512(to, rounded);
  const __m512i upper = _mm512_and_si512(rounded, _mm512_set1_epi32(-65536));
  sums.even = _mm512_add_ps(sums.even, _mm512_castsi512_ps(_mm512_slli_epi32(rounded, 16)));
  sums.odd = _mm512_add_ps(sums.odd, _mm512_castsi512_ps(upper));
}

PLUMBLINE_VECTORS inline __m512 Weights(const float* scores, __m512 top) {
  return Exp2(_mm512_sub_ps(_mm512_loadu_ps(scores), top));
}

// Turns a row's scores into weights 2^(score - maximum), rounded to bf16 and written over the row's
// first half, with zeros behind the visible ones up to a whole run.
PLUMBLINE_VECTORS void SoftmaxRow(float* row, int visible, int padded, float* maximum, float* sum) {
  *maximum = RowMaximum(row, visible);
  const __m512 top = _mm512_set1_ps(*maximum);
  WeightSums sums = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  // Behind what was read: two bytes take the place of four.
  auto* weights = reinterpret_cast<std::byte*>(row);
  int key = 0;
  for (; key + kTileRun <= visible; key += kTileRun, weights += kRunBytes) {
    StoreWeights(Weights(row + key, top), Weights(row + key + kLanes, top), weights, sums);
  }
  for (; key < padded; key += kTileRun, weights += kRunBytes) {
    const int second = key + kLanes;
    StoreWeights(_mm512_maskz_mov_ps(LanesBefore(visible, key), Weights(row + key, top)),
                 _mm512_maskz_mov_ps(LanesBefore(visible, second), Weights(row + second, top)),
                 weights, sums);
  }
  *sum = _mm512_reduce_add_ps(_mm512_add_ps(sums.even, sums.odd));
}

// A row's values, where a zero is a positive one.
PLUMBLINE_VECTORS void StoreValues(const float* sums, int head_dim, float* partial) {
  for (int d = 0; d < head_dim; d += kLanes) {
    _mm512_storeu_ps(partial + d, _mm512_add_ps(_mm512_loadu_ps(sums + d), _mm512_setzero_ps()));
  }
}

// Where a call's scratch lies.
struct Parts {
  float* scores;  // [kTileMicroRows, kScoreFloats]; weights in the first half of each row
  float* sums;    // [kTileMicroRows, head_dim]
};

// How the products of a form run.
struct Products {
  decltype(&ScoreInPairs) score;
  decltype(&AddValuesInPairs) add_values;
};

Products ProductsOf(AttentionForm form) {
  return form == AttentionForm::kTiles ? Products{ScoreInTileRegisters, AddValuesInTileRegisters}
                                       : Products{ScoreInPairs, AddValuesInPairs};
}

void AddAllValues(const Products& products, const SegmentView& segment, const QueryRows& tile,
                  const Parts& parts, int groups) {
  const auto* weights = reinterpret_cast<const std::byte*>(parts.scores);
  if (FiniteValues(segment, tile.visible[0], groups)) {
    products.add_values(segment, weights, tile.rows, groups, parts.sums);
    return;
  }
  std::vector<uint16_t> room;
  for (int r = 0; r < tile.rows; ++r) {
    products.add_values(WithoutMasked(segment, tile.visible[r], groups, room),
                        weights + r * kScoreBytes, 1, groups,
                        parts.sums + int64_t{r} * segment.head_dim);
  }
}

void Attend(const Products& products, const SegmentView& segment, const QueryRows& tile,
            const Parts& parts, AttentionCounts* counts, AttentionTicks* ticks) {
  const int head_dim = segment.head_dim;
  const int most = tile.visible[tile.rows - 1];
  const int groups = (most + kKeyGroup - 1) / kKeyGroup;
  const int padded = (most + kTileRun - 1) / kTileRun * kTileRun;
  products.score(segment, tile.rounded, tile.rows, groups, parts.scores);
  counts->executed_scores += int64_t{tile.rows} * groups * kKeyGroup;
  ticks->LapScores();
  constexpr float kLn2 = 0.693147180559945309f;
  for (int r = 0; r < tile.rows; ++r) {
    float* partial = tile.partials[r];
    SoftmaxRow(parts.scores + r * kScoreFloats, tile.visible[r], padded, &partial[head_dim],
               &partial[head_dim + 1]);
    partial[head_dim] *= kLn2;
    counts->softmax_pairs += tile.visible[r];
    counts->useful_scores += tile.visible[r];
  }
  ticks->LapSoftmax();
  AddAllValues(products, segment, tile, parts, groups);
  counts->executed_values += int64_t{tile.rows} * groups * kKeyGroup;
  for (int r = 0; r < tile.rows; ++r) {
    StoreValues(parts.sums + int64_t{r} * head_dim, head_dim, tile.partials[r]);
    counts->weighted_values += tile.visible[r];
  }
}

#undef PLUMBLINE_VECTORS

}  // namespace

void AttendSegmentInTiles(AttentionForm form, const SegmentView& segment, const QueryRows& tile,
                          float* scratch, AttentionCounts* counts, AttentionTicks* ticks) {
  Attend(ProductsOf(form), segment, tile, {scratch, scratch + kTileMicroRows * kScoreFloats},
         counts, ticks);
}

void RoundQuery(const float* query, int head_dim, float scale, std::byte* out) {
  constexpr float kLog2E = 1.44269504088896341f;
  ScaleAndRound(query, head_dim, scale * kLog2E, out);
}

#else  // other CPUs multiply no bf16

void AttendSegmentInTiles(AttentionForm, const SegmentView&, const QueryRows&, float*,
                          AttentionCounts*, AttentionTicks*) {}
void RoundQuery(const float*, int, float, std::byte*) {}

#endif

}  // namespace plumbline
