// Values of a segment in the layout of tiles (attention_tiles.h) that some rows must not see. In a
// product over whole groups their weights are zeros, which is right for finite values alone.
// Safe from any thread.
#ifndef PLUMBLINE_ENGINE_TILE_VALUES_H_
#define PLUMBLINE_ENGINE_TILE_VALUES_H_

#include <cstdint>
#include <vector>

#include "engine/attention_kernels.h"

namespace plumbline {

// Whether all values of the keys from `begin` to the end of group `groups` - 1 are finite. Looks at
// whole pairs of keys.
bool FiniteValues(const SegmentView& segment, int begin, int groups);

// The segment with zeros for the values of its keys from `visible` on. `room` is overwritten and
// holds what the result refers to, beside the segment's own.
SegmentView WithoutMasked(const SegmentView& segment, int visible, int groups,
                          std::vector<uint16_t>& room);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_TILE_VALUES_H_
