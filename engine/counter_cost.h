// What the counter-examples of the scale study should cost, in closed form: the formula column
// beside stored_attention.h and its like. Knows shapes only. Symbols and ids as in cost_model.h.
// All figures are of one layer, whatever the shape's L.
#ifndef PLUMBLINE_ENGINE_COUNTER_COST_H_
#define PLUMBLINE_ENGINE_COUNTER_COST_H_

#include <cstdint>

#include "engine/cost_model.h"
#include "engine/score_passes.h"
#include "engine/work.h"

namespace plumbline {

// Query-key pairs of all heads: h n^2, or h n (n + 1) / 2 under the causal mask.
int64_t LayerPairs(const CostShape& shape, int64_t n, ScoreMask mask);
// Classes kScores and kWeightedValues: e pairs each, so 2 h e n^2 together in the full square
// (A1_LAYER_ATTN_CORE) and h e n (n + 1) causal. Executed scores: whole panels of 128 rows.
MacCounts StoredAttentionMacs(const CostShape& shape, int64_t n, ScoreMask mask);
// Bytes of the matrix: 4 h n^2 (D_SCORES_NAIVE_BYTES).
int64_t StoredScoreBytes(const CostShape& shape, int64_t n);
// Traffic of the matrix by class: written, softened in place, read (D_NAIVE_ATTN_TRAFFIC_BYTES
// with four passes in the full square).
ByteCounts StoredAttentionBytes(const CostShape& shape, int64_t n, ScoreMask mask);
// Traffic of scale + mask + softmax: the visible scores read and written once; or all of them
// twice, and the masked ones written once more between.
int64_t FusedSoftmaxBytes(const CostShape& shape, int64_t n, ScoreMask mask);
int64_t UnfusedSoftmaxBytes(const CostShape& shape, int64_t n, ScoreMask mask);

// What tiled attention keeps instead, for n tokens that are not split over threads: each thread's
// micro-tile of scores, partial and running results (D_SCORES_TILE_BYTES, with results of a row
// rounded up to 16 floats, and a running tile that is taller than the scores'), and its copy of
// one segment's keys and values; in tiles also queries and sums.
int64_t TiledScratchBytes(const CostShape& shape, int64_t threads);
// Classes kScores and kWeightedValues of the tiled kernels over a cache that is already written.
MacCounts TiledAttentionMacs(const CostShape& shape, int64_t n);
ByteCounts TiledAttentionBytes(const CostShape& shape, int64_t n);

// Traffic of bias + activation over n tokens: the products of the up matrix read, the activations
// written (in int8 as bf16, since a row's scale takes one more pass in either form); and where bias
// is a pass of its own the products read and written once more.
int64_t FusedActivationBytes(const CostShape& shape, int64_t n);
int64_t UnfusedActivationBytes(const CostShape& shape, int64_t n);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_COUNTER_COST_H_
