// The arithmetic of attention over one segment of keys in tiles: bf16 products, f32 sums.
//
// The canonical order, which makes a row's bits independent of everything but its own sequence:
// - q times the scores' scale and log2(e) is rounded to bf16; a score is a sum over the elements of
//   the head, ascending, in runs of 32 or in pairs (attention_products.h), in f32;
// - a weight 2^(score - maximum) is rounded to bf16, and the segment's sum is of rounded weights,
//   so that the weights of a row still sum to one;
// - weighted values are sums over the keys, ascending, in groups of 16 or in pairs (runs of 32 take
//   fewer multiplications, but lie across blocks of 16 tokens, and copying them costs a lone decode
//   step more);
// - segments merge as in attention_kernels.h, in f32.
// A row beyond whose keys a group goes on adds weights of exact zero there. That leaves a sum as it
// is but for the sign of a zero, which is made positive in the end, and but for values that are not
// finite, which are taken out (0 * infinity is no number).
//
// Subnormal operands and results count as zero (TDPBF16PS and VDPBF16PS know no others).
#ifndef PLUMBLINE_ENGINE_ATTENTION_TILES_H_
#define PLUMBLINE_ENGINE_ATTENTION_TILES_H_

#include <cstddef>
#include <cstdint>

#include "engine/attention_form.h"
#include "engine/attention_kernels.h"
#include "engine/attention_products.h"
#include "engine/step_clock.h"

namespace plumbline {

inline constexpr int kTileMicroRows = kMostQueryRows;  // query rows of one kernel call, at most
// Query rows that share one read of keys and values: enough that bringing them from beyond the
// core's own cache costs little beside the products.
inline constexpr int kTiledTileRows = 384;
// Floats of scratch that a call needs.
inline constexpr int64_t TileScratchFloats(int head_dim) {
  return int64_t{kTileMicroRows} * (kScoreFloats + head_dim);  // scores, then sums of values
}

// As AttendSegment, for up to kTileMicroRows rows; values are executed in whole groups, like
// scores. `segment`: keys[i] is [head_dim / 2, kKeyGroup, 2], values[i] is [kKeyGroup / 2,
// head_dim, 2]; behind the last key written there are zeros up to the end of its group. Masked
// values that are not finite enter nothing. `scratch`: [TileScratchFloats(head_dim)], best at a
// multiple of 64 bytes. REQUIRES: MultipliesBf16(form), which this machine can; the segment's dtype
// is kBf16.
void AttendSegmentInTiles(AttentionForm form, const SegmentView& segment, const QueryRows& tile,
                          float* scratch, AttentionCounts* counts, AttentionTicks* ticks);

// One row of QueryRows::rounded: [head_dim] in bf16. `scale`: of the scores. REQUIRES: as above.
void RoundQuery(const float* query, int head_dim, float scale, std::byte* out);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_ATTENTION_TILES_H_
