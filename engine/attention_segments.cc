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

int64_t PagedAttention::Write(const TokenPlace& place, const KvHeads& heads) const {
  const KvGeometry& geometry = place.store.geometry();
  const int block_tokens = geometry.block_tokens;
  const KvDtype dtype = geometry.groups[0].dtype;
  const int slot = place.position % block_tokens;
  const int64_t row_bytes = KvRowBytes(dtype, shape_.head_dim);
  std::byte* panel =
      place.store.LayerBlock(0, place.layer, place.table[place.position / block_tokens]).data() +
      2 * block_tokens * row_bytes * heads.first;
  const float* from = heads.elements;
  for (int i = 0; i < heads.count; ++i) {
    if (MultipliesBf16(shape_.form)) {
      WriteHeadInTiles(block_tokens, slot, heads.side, from, panel);
    } else {
      WriteHead(dtype, block_tokens, slot, heads.side, from, panel);
    }
    panel += 2 * block_tokens * row_bytes;
    from += shape_.head_dim;
  }
  return heads.count * row_bytes;
}

void PagedAttention::WriteHead(KvDtype dtype, int block_tokens, int slot, Side side,
                               const float* from, std::byte* panel) const {
  constexpr int kPiece = 64;
  std::array<std::byte, 4 * kPiece> narrow;
  const int bytes = KvDtypeBytes(dtype);
  const int head_dim = shape_.head_dim;
  const int64_t scales = int64_t{1} * block_tokens * head_dim * bytes;
  const RowNarrower narrower(dtype, from, head_dim);
  if (side == Side::kValues) {
    panel += block_tokens * KvRowBytes(dtype, head_dim);
    narrower.Narrow(from, head_dim, panel + int64_t{1} * slot * head_dim * bytes);
    return narrower.StoreScale(slot, panel + scales);
  }
  const KeyPlace place = PlaceKey(slot, head_dim, block_tokens);
  for (int d = 0; d < head_dim; d += kPiece) {
    const int count = std::min(kPiece, head_dim - d);
    narrower.Narrow(from + d, count, narrow.data());
    std::byte* to = panel + (place.first + int64_t{1} * d * place.width) * bytes;
    for (int i = 0; i < count; ++i, to += int64_t{1} * place.width * bytes) {
      std::memcpy(to, narrow.data() + static_cast<size_t>(i) * bytes, bytes);
    }
  }
  narrower.StoreScale(slot, panel + scales);
}

KvPanel PagedAttention::HeadPanelAt(const Pass& pass, const Task& task, const Unit& unit,
                                    int position) const {
  const KvGeometry& geometry = pass.store.geometry();
  const int block_tokens = geometry.block_tokens;
  const absl::Span<const BlockId> table = pass.batch.blocks(pass.batch.spans[task.span]);
  return HeadPanel(pass.store.LayerBlock(0, pass.layer, table[position / block_tokens]),
                   task.kv_head + unit.head, shape_.head_dim, block_tokens,
                   geometry.groups[0].dtype);
}

void PagedAttention::FetchAhead(const Pass& pass, const Task& task, const Unit& unit, int keys,
                                int key) const {
  constexpr int kKeysAhead = 32;
  constexpr int64_t kLine = 64;
  const int block_tokens = pass.store.geometry().block_tokens;
  const int position = unit.segment * kSegmentKeys + key;
  if (block_tokens > kKeysAhead) return;  // long enough to be a stream
  if (position % block_tokens != 0 || key + kKeysAhead >= keys) return;
  const KvPanel panel = HeadPanelAt(pass, task, unit, position + kKeysAhead);
  const int64_t bytes = 2 * (panel.values - panel.keys);
  for (int64_t at = 0; at < bytes; at += kLine) __builtin_prefetch(panel.keys + at);
}

void PagedAttention::GatherSegment(const Pass& pass, const Task& task, const Unit& unit, int keys,
                                   Scratch& scratch) const {
  const KvGeometry& geometry = pass.store.geometry();
  const int block_tokens = geometry.block_tokens;
  const KvDtype dtype = geometry.groups[0].dtype;
  const int bytes = KvDtypeBytes(dtype);
  const int head_dim = shape_.head_dim;
  for (int key = 0; key < keys;) {
    const int position = unit.segment * kSegmentKeys + key;
    const int slot = position % block_tokens;
    const KeyPlace place = PlaceKey(slot, head_dim, block_tokens);
    // To the end of the group there, or of the one here.
    const int run =
        std::min({keys - key, place.width - slot % kKeyGroup, kKeyGroup - key % kKeyGroup});
    const KvPanel panel = HeadPanelAt(pass, task, unit, position);
    FetchAhead(pass, task, unit, keys, key);
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

void PagedAttention::CopyScales(const Pass& pass, const Task& task, const Unit& unit, int keys,
                                SegmentView& view) const {
  const KvGeometry& geometry = pass.store.geometry();
  const int block_tokens = geometry.block_tokens;
  for (int key = 0; key < keys;) {
    const int position = unit.segment * kSegmentKeys + key;
    const int slot = position % block_tokens;
    const int run = std::min(keys - key, block_tokens - slot);
    const KvPanel panel = HeadPanelAt(pass, task, unit, position);
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

void PagedAttention::ViewSegment(const Pass& pass, const Task& task, const Unit& unit, int keys,
                                 Scratch& scratch, SegmentView& view) const {
  const KvGeometry& geometry = pass.store.geometry();
  const int block_tokens = geometry.block_tokens;
  const int head_dim = shape_.head_dim;
  const KvDtype dtype = geometry.groups[0].dtype;
  view.dtype = dtype;
  view.scaled = KvScaleBytes(dtype) > 0;
  if (view.scaled) CopyScales(pass, task, unit, keys, view);
  const bool many_rows = task.tokens * shape_.group() >= kGatherRows;
  if (!GroupsInBlocks(block_tokens) || (many_rows && view.dtype != KvDtype::kF32)) {
    GatherSegment(pass, task, unit, keys, scratch);
    view.dtype = KvDtype::kF32;
    for (int i = 0; i < view.groups; ++i) {
      const int64_t group = int64_t{1} * i * kKeyGroup * head_dim;
      view.keys[i] = reinterpret_cast<const std::byte*>(scratch.keys.get() + group);
      view.values[i] = reinterpret_cast<const std::byte*>(scratch.values.get() + group);
    }
    return;
  }
  const int bytes = KvDtypeBytes(view.dtype);
  for (int i = 0; i < view.groups; ++i) {
    const int position = unit.segment * kSegmentKeys + i * kKeyGroup;
    const int slot = position % block_tokens;
    const KvPanel panel = HeadPanelAt(pass, task, unit, position);
    const int64_t group = int64_t{1} * slot * head_dim * bytes;
    view.keys[i] = panel.keys + group;
    view.values[i] = panel.values + group;
    if (view.scaled) continue;         // copied scales lie in the same pages
    __builtin_prefetch(view.keys[i]);  // as in ViewSegmentInTiles
    __builtin_prefetch(view.values[i]);
  }
}

}  // namespace plumbline
