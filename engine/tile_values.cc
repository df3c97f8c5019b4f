#include "engine/tile_values.h"

#include <cstddef>
#include <cstring>

namespace plumbline {

bool FiniteValues(const SegmentView& segment, int begin, int groups) {
  constexpr uint16_t kExponent = 0x7f80;
  uint16_t found = 0;
  for (int key = begin / 2 * 2; key < groups * kKeyGroup; key += 2) {
    const std::byte* from =
        segment.values[key / kKeyGroup] + int64_t{2} * (key % kKeyGroup) * segment.head_dim;
    for (int i = 0; i < 2 * segment.head_dim; ++i) {
      uint16_t bits = 0;
      std::memcpy(&bits, from + int64_t{2} * i, sizeof(bits));
      found |= static_cast<uint16_t>((bits & kExponent) == kExponent ? 1 : 0);
    }
  }
  return found == 0;
}

SegmentView WithoutMasked(const SegmentView& segment, int visible, int groups,
                          std::vector<uint16_t>& room) {
  SegmentView view = segment;
  const int cut = visible / kKeyGroup;  // this group; all of it where it has no visible key
  const auto elements = static_cast<size_t>(kKeyGroup) * segment.head_dim;
  room.assign(2 * elements, 0);
  if (visible % kKeyGroup > 0) {
    std::memcpy(room.data(), segment.values[cut], elements * sizeof(uint16_t));
    for (int key = visible % kKeyGroup; key < kKeyGroup; ++key) {
      uint16_t* pair = room.data() + int64_t{2} * (key / 2) * segment.head_dim + key % 2;
      for (int d = 0; d < segment.head_dim; ++d) pair[2 * d] = 0;
    }
  }
  for (int i = cut; i < groups; ++i) {
    view.values[i] = reinterpret_cast<const std::byte*>(room.data() + (i == cut ? 0 : elements));
  }
  return view;
}

}  // namespace plumbline
