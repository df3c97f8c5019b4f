// The products of attention in tiles (attention_tiles.h): bf16 times bf16 with sums in f32, of up
// to kTileMicroRows rows with the keys or values of one segment. Two ways to the same layout:
// - tile registers (AMX): a run of 32 elements (scores) or of 16 keys (values) at a time, each as
//   TDPBF16PS adds it (even and odd elements apart, fused, then together);
// - pairs (AVX512_BF16): a pair of elements, or of keys, at a time, each added as VDPBF16PS does.
// Either way runs and pairs come in ascending order into one sum for a row and a key (or channel),
// so that a row's bits do not depend on the others. Sums differ between the two in their rounding.
//
// Pure but for the thread's tile registers, which are released in the end. Safe from any thread.
// REQUIRES, of each: the CPU and the system have what it needs (bf16_unit.h).
#ifndef PLUMBLINE_ENGINE_ATTENTION_PRODUCTS_H_
#define PLUMBLINE_ENGINE_ATTENTION_PRODUCTS_H_

#include <cstddef>
#include <cstdint>

#include "engine/attention_kernels.h"

namespace plumbline {

inline constexpr int kTileRun = 32;  // elements of a head that one multiplication of tiles takes
// From a row of scores to the next: a cache line more than its keys, or the 16 rows of a tile would
// be stored to four sets of the cache.
inline constexpr int kScoreFloats = kSegmentKeys + 16;
inline constexpr int64_t kScoreBytes = int64_t{4} * kScoreFloats;
inline constexpr int kGroupWeightBytes = 2 * kKeyGroup;  // of one row's weights of a group of keys

// scores[row][key] = q . k for the first `groups` groups of keys. queries: [rows, head_dim] bf16;
// scores: [rows, kScoreFloats].
void ScoreInTileRegisters(const SegmentView& segment, const std::byte* queries, int rows,
                          int groups, float* scores);
void ScoreInPairs(const SegmentView& segment, const std::byte* queries, int rows, int groups,
                  float* scores);

// sums[row][channel] = weights . values over the first `groups` groups. weights: bf16, rows
// kScoreBytes apart; sums: [rows, head_dim].
void AddValuesInTileRegisters(const SegmentView& segment, const std::byte* weights, int rows,
                              int groups, float* sums);
void AddValuesInPairs(const SegmentView& segment, const std::byte* weights, int rows, int groups,
                      float* sums);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_ATTENTION_PRODUCTS_H_
