// Where keys and values lie inside a block of the cache (attention.h says in words), for attention
// alone.
#ifndef PLUMBLINE_ENGINE_KV_LAYOUT_H_
#define PLUMBLINE_ENGINE_KV_LAYOUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"
#include "cache/kv_geometry.h"
#include "engine/attention_kernels.h"
#include "engine/kv_convert.h"

namespace plumbline {

// Where one KV head's part of a block starts, and its two panels.
struct KvPanel {
  const std::byte* keys;    // groups of kKeyGroup keys, one after another (PlaceKey)
  const std::byte* values;  // [block_tokens, head_dim]
  // int8: the scales behind each of the two start here, [block_tokens] f32, not aligned.
  int64_t scales;
};

inline KvPanel HeadPanel(absl::Span<const std::byte> block, int kv_head, int head_dim,
                         int block_tokens, KvDtype dtype) {
  const int64_t side = block_tokens * KvRowBytes(dtype, head_dim);
  const std::byte* start = block.data() + 2 * side * kv_head;
  return {start, start + side, int64_t{1} * block_tokens * head_dim * KvDtypeBytes(dtype)};
}

// Whether each group of keys lies in one block: attention then reads it where it is.
inline bool GroupsInBlocks(int block_tokens) { return block_tokens % kKeyGroup == 0; }

// Where a key lies among its head's keys of a block. Each group of keys is [head_dim, width], so
// that a vector holds neighbours and a whole group is one run of memory, however large the block:
// rows as far apart as a block is long would meet in a few sets of the cache.
struct KeyPlace {
  int64_t first;  // its element of dimension 0
  int width;      // from there to its next dimension: kKeyGroup, or what is left of the block
};
inline KeyPlace PlaceKey(int slot, int head_dim, int block_tokens) {
  const int group = slot / kKeyGroup * kKeyGroup;
  return {int64_t{1} * group * head_dim + slot - group, std::min(kKeyGroup, block_tokens - group)};
}

// Where a value lies in tiles (attention.h), in bytes: its elements are `step` apart. (A key's
// pairs of elements lie as PlaceKey says of head_dim / 2 dimensions.)
struct ValuePlace {
  int64_t first;
  int step;
};
inline ValuePlace PlaceValue(int slot, int head_dim, int block_tokens) {
  const bool alone = slot % 2 == 0 && slot + 1 == block_tokens;
  return {int64_t{2} * (slot - slot % 2) * head_dim + int64_t{2} * (slot % 2), alone ? 2 : 4};
}

// Stores one key or one value in the cache's dtype, in pieces.
class RowNarrower {
 public:
  RowNarrower(KvDtype dtype, const float* row, int width)
      : dtype_(dtype), scale_(KvScaleBytes(dtype) > 0 ? Int8Scale(row, width) : 1.0f) {}

  void Narrow(const float* from, int count, std::byte* to) const {
    if (KvScaleBytes(dtype_) > 0) return NarrowToInt8(from, count, scale_, to);
    NarrowFromF32(dtype_, from, count, to);
  }
  // `scales`: of all the tokens of the block. Nothing where the dtype has none.
  void StoreScale(int slot, std::byte* scales) const {
    const int bytes = KvScaleBytes(dtype_);
    if (bytes > 0) std::memcpy(scales + int64_t{1} * slot * bytes, &scale_, bytes);
  }

 private:
  KvDtype dtype_;
  float scale_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_KV_LAYOUT_H_
