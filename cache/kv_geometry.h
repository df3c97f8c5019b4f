// The shape of a key/value cache and the bytes it takes.
//
// A cache is a list of groups of layers; every layer of a group keeps, for each token and KV head,
// one key of `key_width` and one value of `value_width` elements of `dtype`. Blocks hold
// `block_tokens` tokens of one sequence for all layers. How the elements lie inside a block is not
// known here: that belongs to the attention kernels.
//
// Plain data, safe to copy and to share between threads.
#ifndef PLUMBLINE_CACHE_KV_GEOMETRY_H_
#define PLUMBLINE_CACHE_KV_GEOMETRY_H_

#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace plumbline {

// kInt8: whole numbers from -127 to 127, times one f32 scale for each token and head, of its key
// and of its value.
enum class KvDtype : uint8_t { kF32, kF16, kBf16, kInt8 };

// Bytes of one element.
int KvDtypeBytes(KvDtype dtype);
// Bytes of the scale that the elements of one token's key (or value) of one head share: 0 but for
// int8.
int KvScaleBytes(KvDtype dtype);
// Bytes of such a key or value of `width` elements, its scale included; 0 elements have none.
int64_t KvRowBytes(KvDtype dtype, int64_t width);
// "f32", "f16", "bf16", "int8".
absl::string_view KvDtypeName(KvDtype dtype);

struct LayerGroup {
  int layers = 0;
  int kv_heads = 0;
  int key_width = 0;    // elements of one head's key
  int value_width = 0;  // elements of one head's value; 0: values are part of the keys
  KvDtype dtype = KvDtype::kF32;

  // Bytes of one token in one layer of the group.
  int64_t LayerTokenBytes() const;
  // Bytes of one token in all layers of the group.
  int64_t TokenBytes() const;
};

struct KvGeometry {
  int block_tokens = 16;
  absl::InlinedVector<LayerGroup, 1> groups;

  // Bytes of one token in all groups: C(t) = t * TokenBytes() (D_KV_BYTES: 2 L g e b t; int8:
  // D_KV_QUANT_BYTES).
  int64_t TokenBytes() const;
  // Bytes of one block in all groups.
  int64_t BlockBytes() const;
  // Blocks that hold `tokens` tokens. REQUIRES: tokens >= 0.
  int64_t BlocksFor(int64_t tokens) const;
  // InvalidArgument where a size is not positive, or where a block's bytes overflow an int64_t.
  // The byte functions above may be called on a validated geometry only.
  absl::Status Validate() const;
};

}  // namespace plumbline

#endif  // PLUMBLINE_CACHE_KV_GEOMETRY_H_
