// The arithmetic of attention over one segment of keys, for a micro-tile of query rows that share
// a KV head. Vectorised with Highway for the CPU at hand; one code for prefill and decode.
//
// The canonical order, which makes a row's bits independent of everything but its own sequence:
// - a score is a sequential fused multiply-add over the head's elements, from zero;
// - keys are cut into segments at absolute multiples of kSegmentKeys positions; a segment yields
//   its own maximum, sum and weighted values, from zero, keys ascending;
// - segments merge in ascending order by MergePartials (the running softmax of Milakov and
//   Gimelshein 2018; FlashAttention, Dao et al. 2022, algorithm 1) within stretches, which are cut
//   at absolute multiples of kStretchSegments of them, and stretches so into the row's result: of a
//   context that many threads share few results cross from one core to another.
// K and V are widened to f32, which is exact, so stored and gathered operands give equal bits;
// int8 ones as whole numbers, whose scales multiply the key's score and the value's weight.
#ifndef PLUMBLINE_ENGINE_ATTENTION_KERNELS_H_
#define PLUMBLINE_ENGINE_ATTENTION_KERNELS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "cache/kv_geometry.h"
#include "engine/attention_partials.h"
#include "engine/step_clock.h"

namespace plumbline {

inline constexpr int kSegmentKeys = 256;  // positions of a segment
inline constexpr int kKeyGroup = 16;      // keys that lie side by side for one vector load
inline constexpr int kSegmentGroups = kSegmentKeys / kKeyGroup;
// Segments that hold the first `keys` positions.
inline constexpr int CountSegments(int keys) { return (keys + kSegmentKeys - 1) / kSegmentKeys; }
inline constexpr int kStretchSegments = 4;  // segments whose partials one thread merges
// Stretches of so many segments.
inline constexpr int CountStretches(int segments) {
  return (segments + kStretchSegments - 1) / kStretchSegments;
}
inline constexpr int kMicroTileRows = 6;   // query rows of one kernel call, at most
inline constexpr int kMostQueryRows = 32;  // of a call in any form (attention_form.h)

// One KV head's keys and values of one segment, as groups of 16 consecutive keys. Groups beyond
// the visible keys are not looked at. (In tiles: see attention_tiles.h.)
struct SegmentView {
  KvDtype dtype = KvDtype::kF32;
  int head_dim = 0;
  int groups = 0;
  // keys[i]: [head_dim, kKeyGroup], transposed.
  std::array<const std::byte*, kSegmentGroups> keys = {};
  // values[i]: [kKeyGroup, head_dim].
  std::array<const std::byte*, kSegmentGroups> values = {};
  // What is attended to next (null: nothing to fetch): its keys and values are fetched meanwhile.
  // Not owned.
  const SegmentView* next = nullptr;
  // int8 caches, widened or not: what a key's score and a value's weight are multiplied with, of
  // whole groups. Not set otherwise.
  bool scaled = false;
  std::array<float, kSegmentKeys> key_scales;
  std::array<float, kSegmentKeys> value_scales;
};

// What a call really did, bumped in the loops that did it.
struct AttentionCounts {
  int64_t useful_scores = 0;    // query-key pairs that entered a softmax
  int64_t executed_scores = 0;  // pairs whose products ran: whole groups
  int64_t softmax_pairs = 0;    // pairs whose exp ran
  int64_t weighted_values = 0;  // pairs whose value was added
  int64_t executed_values = 0;  // pairs whose products ran

  AttentionCounts& operator+=(const AttentionCounts& other) {
    useful_scores += other.useful_scores;
    executed_scores += other.executed_scores;
    softmax_pairs += other.softmax_pairs;
    weighted_values += other.weighted_values;
    executed_values += other.executed_values;
    return *this;
  }
};

// A micro-tile: rows that attend to the same KV head, later tokens after earlier ones.
struct QueryRows {
  int rows = 0;                                      // 1 to kMicroTileRows, or kTileMicroRows
  std::array<const float*, kMostQueryRows> queries;  // each [head_dim]
  std::array<int, kMostQueryRows> visible;           // keys of the segment each sees; ascending
  std::array<float*, kMostQueryRows> partials;       // each [PartialFloats(head_dim)], written
  const std::byte* rounded = nullptr;  // in tiles, instead of `queries`: [rows, head_dim] bf16
  float scale = 1.0f;                  // of the scores: 1 / sqrt(head_dim)
};

// Attends the rows to the first visible[r] keys of the segment. Masked keys add nothing and their
// values are not read. `scratch`: [kMicroTileRows * kSegmentKeys] floats. `*ticks` laps scores and
// softmax; the weighted values are left for the caller to lap, with what it does to merge them.
// REQUIRES: 1 <= visible[r] <= kSegmentKeys for every row, ascending.
void AttendSegment(const SegmentView& segment, const QueryRows& tile, float* scratch,
                   AttentionCounts* counts, AttentionTicks* ticks);

// The instruction set the kernels run with, e.g. "AVX3".
const char* AttentionKernelTarget();

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_ATTENTION_KERNELS_H_
