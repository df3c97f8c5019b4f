#include "engine/counter_cost.h"

#include <algorithm>

#include "engine/cutting.h"

namespace plumbline {
namespace {

// Pairs of whole panels: each of its rows runs over the keys of its last row.
int64_t PanelPairs(const CostShape& s, int64_t n, ScoreMask mask) {
  if (mask == ScoreMask::kNone) return s.h * n * n;
  const int64_t whole = n / cutting::kPanelRows;
  return s.h * (cutting::kPanelRows * cutting::kPanelRows * whole * (whole + 1) / 2 +
                n % cutting::kPanelRows * n);
}

CostShape OneLayer(CostShape shape) {
  shape.L = 1;
  return shape;
}

}  // namespace

int64_t LayerPairs(const CostShape& s, int64_t n, ScoreMask mask) {
  return mask == ScoreMask::kNone ? s.h * n * n : s.h * n * (n + 1) / 2;
}

MacCounts StoredAttentionMacs(const CostShape& s, int64_t n, ScoreMask mask) {
  MacCounts macs;
  for (const WorkClass c : {WorkClass::kScores, WorkClass::kWeightedValues}) {
    macs.useful[cutting::Index(c)] = s.e * LayerPairs(s, n, mask);
    macs.executed[cutting::Index(c)] = macs.useful[cutting::Index(c)];
  }
  macs.executed[cutting::Index(WorkClass::kScores)] = s.e * PanelPairs(s, n, mask);
  return macs;
}

int64_t StoredScoreBytes(const CostShape& s, int64_t n) {
  return cutting::kFloatBytes * s.h * n * n;
}

ByteCounts StoredAttentionBytes(const CostShape& s, int64_t n, ScoreMask mask) {
  ByteCounts bytes = {};
  bytes[cutting::Index(WorkClass::kScores)] = cutting::kFloatBytes * PanelPairs(s, n, mask);
  bytes[cutting::Index(WorkClass::kSoftmax)] = FusedSoftmaxBytes(s, n, mask);
  bytes[cutting::Index(WorkClass::kWeightedValues)] = cutting::kFloatBytes * LayerPairs(s, n, mask);
  return bytes;
}

int64_t FusedSoftmaxBytes(const CostShape& s, int64_t n, ScoreMask mask) {
  return 2 * cutting::kFloatBytes * LayerPairs(s, n, mask);
}

int64_t UnfusedSoftmaxBytes(const CostShape& s, int64_t n, ScoreMask mask) {
  const int64_t masked = s.h * n * n - LayerPairs(s, n, mask);
  return cutting::kFloatBytes * (4 * s.h * n * n + masked);
}

int64_t TiledScratchBytes(const CostShape& s, int64_t threads) {
  const bool tiles = MultipliesBf16(s.attention);
  const int64_t result = (s.e + 2 + 15) / 16 * 16;  // values, maximum and sum of a row
  const int64_t rows = cutting::TileRows(s);
  const int64_t micro_rows = cutting::MicroTileRows(s);
  // In tiles: sums of values, and the tile's queries in two bytes, too.
  const int64_t call = cutting::kSegmentKeys + (tiles ? cutting::kTiledScorePadding + s.e : 0);
  const int64_t queries = tiles ? s.e / 2 : 0;
  // Keys and values of a segment, in tiles in two bytes; and one row of output.
  const int64_t copies = 2 * cutting::kSegmentKeys * s.e / (tiles ? 2 : 1) + s.e;
  // Results of the stretch at hand, and of those before.
  const int64_t floats = micro_rows * (call + result) + rows * (2 * result + queries) + copies;
  return threads * cutting::kFloatBytes * floats;
}

MacCounts TiledAttentionMacs(const CostShape& s, int64_t n) {
  const MacCounts all = SpanMacs(OneLayer(s), {0, n, 0});
  MacCounts macs;
  for (const WorkClass c : {WorkClass::kScores, WorkClass::kWeightedValues}) {
    macs.useful[cutting::Index(c)] = all.useful[cutting::Index(c)];
    macs.executed[cutting::Index(c)] = all.executed[cutting::Index(c)];
  }
  return macs;
}

ByteCounts TiledAttentionBytes(const CostShape& s, int64_t n) {
  const SpanShape span = {0, n, 0};
  const ByteCounts all = StepBytes(OneLayer(s), absl::MakeConstSpan(&span, 1));
  ByteCounts bytes = {};
  for (const WorkClass c : {WorkClass::kScores, WorkClass::kWeightedValues}) {
    bytes[cutting::Index(c)] = all[cutting::Index(c)] - n * s.cache_side_bytes();  // written before
  }
  return bytes;
}

int64_t FusedActivationBytes(const CostShape& s, int64_t n) {
  return n * ((s.m - 1) * s.F * cutting::kFloatBytes + s.F * s.embedding_bytes());
}

int64_t UnfusedActivationBytes(const CostShape& s, int64_t n) {
  return FusedActivationBytes(s, n) + 2 * n * (s.m - 1) * s.F * cutting::kFloatBytes;
}

}  // namespace plumbline
