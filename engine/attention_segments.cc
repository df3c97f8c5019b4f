// What a block of the cache holds, read and written for the kernels of vectors (attention.h).
#include <algorithm>
#include <array>
#include <cstring>

#include "engine/attention.h"
#include "engine/kv_convert.h"
#include "engine/kv_layout.h"

namespace plumbline {
namespace {

// From so many rows on a narrow cache is widened once per segment instead of at each use.
constexpr int kGatherRows = 2 * kMicroTileRows + 1;

}  // namespace

PagedAttention::WrittenBytes PagedAttention::Write(KvStore& store, int layer,
                                                   absl::Span<const BlockId> table, int position,
                                                   const float* keys, const float* values) const {
  if (shape_.form == AttentionForm::kTiles) {
    return WriteInTiles(store, layer, table, position, keys, values);
  }
  const int block_tokens = store.geometry().block_tokens;
  const KvDtype dtype = store.geometry().groups[0].dtype;
  const int bytes = KvDtypeBytes(dtype);
  const int head_dim = shape_.head_dim;
  const int slot = position % block_tokens;
  const absl::Span<std::byte> block = store.LayerBlock(0, layer, table[position / block_tokens]);
  const int64_t side = block_tokens * KvRowBytes(dtype, head_dim);
  const int64_t scales = int64_t{1} * block_tokens * head_dim * bytes;
  const KeyPlace place = PlaceKey(slot, head_dim, block_tokens);
  std::array<std::byte, 4 * 64> narrow;
  constexpr int kPiece = 64;
  for (int head = 0; head < shape_.kv_heads; ++head) {
    std::byte* panel = block.data() + 2 * side * head;
    const float* key = keys + head * head_dim;
    const float* value = values + head * head_dim;
    const RowNarrower narrow_key(dtype, key, head_dim);
    const RowNarrower narrow_value(dtype, value, head_dim);
    for (int d = 0; d < head_dim; d += kPiece) {
      const int count = std::min(kPiece, head_dim - d);
      narrow_key.Narrow(key + d, count, narrow.data());
      std::byte* to = panel + (place.first + int64_t{1} * d * place.width) * bytes;
      for (int i = 0; i < count; ++i, to += int64_t{1} * place.width * bytes) {
        std::memcpy(to, narrow.data() + static_cast<size_t>(i) * bytes, bytes);
      }
    }
    narrow_value.Narrow(value, head_dim, panel + side + int64_t{1} * slot * head_dim * bytes);
    narrow_key.StoreScale(slot, panel + scales);
    narrow_value.StoreScale(slot, panel + side + scales);
  }
  const int64_t written = shape_.kv_heads * KvRowBytes(dtype, head_dim);
  return {written, written};
}

KvPanel PagedAttention::HeadPanelAt(const Pass& pass, const Task& task, int position) const {
  const KvGeometry& geometry = pass.store.geometry();
  const int block_tokens = geometry.block_tokens;
  const absl::Span<const BlockId> table = pass.batch.blocks(pass.batch.spans[task.span]);
  return HeadPanel(pass.store.LayerBlock(0, pass.layer, table[position / block_tokens]),
                   task.kv_head, shape_.head_dim, block_tokens, geometry.groups[0].dtype);
}

void PagedAttention::GatherSegment(const Pass& pass, const Task& task, int segment, int keys,
                                   Scratch& scratch) const {
  const KvGeometry& geometry = pass.store.geometry();
  const int block_tokens = geometry.block_tokens;
  const KvDtype dtype = geometry.groups[0].dtype;
  const int bytes = KvDtypeBytes(dtype);
  const int head_dim = shape_.head_dim;
  for (int key = 0; key < keys;) {
    const int position = segment * kSegmentKeys + key;
    const int slot = position % block_tokens;
    const KeyPlace place = PlaceKey(slot, head_dim, block_tokens);
    // To the end of the group there, or of the one here.
    const int run =
        std::min({keys - key, place.width - slot % kKeyGroup, kKeyGroup - key % kKeyGroup});
    const KvPanel panel = HeadPanelAt(pass, task, position);
    const std::byte* from = panel.keys + place.first * bytes;
    float* to = scratch.keys.get() + PlaceKey(key, head_dim, kSegmentKeys).first;
    if (run == kKeyGroup) {
      WidenToF32(dtype, from, kKeyGroup * head_dim, to);
    } else {
      for (int d = 0; d < head_dim; ++d) {
        WidenToF32(dtype, from + int64_t{1} * d * place.width * bytes, run, to + d * kKeyGroup);
      }
    }
    WidenToF32(dtype, panel.values + int64_t{1} * slot * head_dim * bytes, run * head_dim,
               scratch.values.get() + int64_t{1} * key * head_dim);
    key += run;
  }
}

void PagedAttention::CopyScales(const Pass& pass, const Task& task, int segment, int keys,
                                SegmentView& view) const {
  const KvGeometry& geometry = pass.store.geometry();
  const int block_tokens = geometry.block_tokens;
  for (int key = 0; key < keys;) {
    const int position = segment * kSegmentKeys + key;
    const int slot = position % block_tokens;
    const int run = std::min(keys - key, block_tokens - slot);
    const KvPanel panel = HeadPanelAt(pass, task, position);
    const int64_t from = panel.scales + slot * static_cast<int64_t>(sizeof(float));
    const size_t bytes = static_cast<size_t>(run) * sizeof(float);
    std::memcpy(&view.key_scales[key], panel.keys + from, bytes);
    std::memcpy(&view.value_scales[key], panel.values + from, bytes);
    key += run;
  }
  // The kernels multiply whole groups; what lies beyond the keys enters nothing.
  const int end = (keys + kKeyGroup - 1) / kKeyGroup * kKeyGroup;
  std::fill(view.key_scales.begin() + keys, view.key_scales.begin() + end, 0.0f);
  std::fill(view.value_scales.begin() + keys, view.value_scales.begin() + end, 0.0f);
}

SegmentView PagedAttention::ViewSegment(const Pass& pass, const Task& task, int segment, int keys,
                                        Scratch& scratch) const {
  const KvGeometry& geometry = pass.store.geometry();
  const int block_tokens = geometry.block_tokens;
  const int head_dim = shape_.head_dim;
  const int groups = (keys + kKeyGroup - 1) / kKeyGroup;
  SegmentView view;
  view.head_dim = head_dim;
  const KvDtype dtype = geometry.groups[0].dtype;
  view.dtype = dtype;
  view.scaled = KvScaleBytes(dtype) > 0;
  if (view.scaled) CopyScales(pass, task, segment, keys, view);
  const bool many_rows = task.tokens * shape_.group() >= kGatherRows;
  if (block_tokens % kKeyGroup != 0 || (many_rows && view.dtype != KvDtype::kF32)) {
    GatherSegment(pass, task, segment, keys, scratch);
    view.dtype = KvDtype::kF32;
    for (int i = 0; i < groups; ++i) {
      const int64_t group = int64_t{1} * i * kKeyGroup * head_dim;
      view.keys[i] = reinterpret_cast<const std::byte*>(scratch.keys.get() + group);
      view.values[i] = reinterpret_cast<const std::byte*>(scratch.values.get() + group);
    }
    return view;
  }
  const int bytes = KvDtypeBytes(view.dtype);
  for (int i = 0; i < groups; ++i) {
    const int position = segment * kSegmentKeys + i * kKeyGroup;
    const int slot = position % block_tokens;
    const KvPanel panel = HeadPanelAt(pass, task, position);
    const int64_t group = int64_t{1} * slot * head_dim * bytes;
    view.keys[i] = panel.keys + group;
    view.values[i] = panel.values + group;
  }
  return view;
}

}  // namespace plumbline
