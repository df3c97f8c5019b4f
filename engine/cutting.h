// How the engine cuts its work, as the formulas have it. Restated on purpose: the kernels have
// constants of their own, and tests hold their counters against figures made from these.
#ifndef PLUMBLINE_ENGINE_CUTTING_H_
#define PLUMBLINE_ENGINE_CUTTING_H_

#include <algorithm>
#include <cstdint>

#include "engine/cost_model.h"
#include "engine/rounding.h"
#include "engine/work.h"

namespace plumbline::cutting {

inline constexpr int64_t kCallRows = 512;       // rows of the largest matmul call
inline constexpr int64_t kStripRows = 32;       // of products in tiles: beyond, in whole strips
inline constexpr int64_t kKeyGroup = 16;        // keys are scored in whole groups
inline constexpr int64_t kSegmentKeys = 256;    // a row runs over whole segments but for the last
inline constexpr int64_t kStretchSegments = 4;  // segments that one task merges
inline constexpr int64_t kMicroTileRows = 6;    // query rows that share a group
inline constexpr int64_t kTiledRows = 32;       // the same where attention runs in tiles
inline constexpr int64_t kTiledTileRows = 384;
inline constexpr int64_t kTiledScorePadding = 16;  // floats behind a row of scores
inline constexpr int64_t kTileRows = 96;           // query rows that share one read of K and V
inline constexpr int64_t kTasksPerThread = 4;      // of attention: below them tiles are split
inline constexpr int64_t kTogetherPerThread = 16;  // the same of short spans
inline constexpr int64_t kPanelRows = 128;         // query rows of a panel of stored scores
inline constexpr int64_t kFloatBytes = 4;

// Query rows of a tile: one token's h / g heads at least.
constexpr int64_t TileRows(const CostShape& s) {
  return std::max(MultipliesBf16(s.attention) ? kTiledTileRows : kTileRows, s.h / s.g);
}
// Tokens whose query heads fill one tile.
constexpr int64_t TileTokens(const CostShape& s) { return TileRows(s) / (s.h / s.g); }

constexpr int64_t MicroTileRows(const CostShape& s) {
  return MultipliesBf16(s.attention) ? kTiledRows : kMicroTileRows;
}

constexpr int Index(WorkClass work_class) { return static_cast<int>(work_class); }

}  // namespace plumbline::cutting

#endif  // PLUMBLINE_ENGINE_CUTTING_H_
