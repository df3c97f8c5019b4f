#include "engine/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "engine/attention_partials.h"
#include "engine/kv_convert.h"
#include "engine/kv_layout.h"
#include "engine/ops.h"
#include "engine/parallel.h"

namespace plumbline {
namespace {

// Room for partials of split tiles, by thread: 4 MiB of floats.
constexpr int64_t kSplitFloatsPerThread = int64_t{1} << 20;
// From so many rows on a narrow cache is widened once per segment instead of at each use.
constexpr int kGatherRows = 2 * kMicroTileRows + 1;

}  // namespace

PagedAttention::PagedAttention(const AttentionShape& shape)
    : shape_(shape),
      partial_floats_(PartialFloats(shape.head_dim)),
      scratch_(shape.threads),
      split_floats_(kSplitFloatsPerThread * shape.threads) {
  const size_t head_dim = shape.head_dim;
  const size_t rows = std::max(kAttentionTileRows, shape.group());
  for (Scratch& s : scratch_) {
    s.scores.resize(size_t{kMicroTileRows} * kSegmentKeys);
    s.keys.resize(head_dim * kSegmentKeys);
    s.values.resize(head_dim * kSegmentKeys);
    s.partial.resize(size_t{kMicroTileRows} * partial_floats_);
    s.running.resize(rows * partial_floats_);
    s.row.resize(head_dim);
  }
  if (shape.threads > 1) split_ = UntouchedArray<float>(split_floats_);
}

PagedAttention::WrittenBytes PagedAttention::Write(KvStore& store, int layer,
                                                   absl::Span<const BlockId> table, int position,
                                                   const float* keys, const float* values) const {
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

void PagedAttention::GatherSegment(const Pass& pass, const Task& task, int segment, int keys,
                                   Scratch& scratch) const {
  const KvGeometry& geometry = pass.store.geometry();
  const int block_tokens = geometry.block_tokens;
  const KvDtype dtype = geometry.groups[0].dtype;
  const int bytes = KvDtypeBytes(dtype);
  const int head_dim = shape_.head_dim;
  const absl::Span<const BlockId> table = pass.batch.blocks(pass.batch.spans[task.span]);
  for (int key = 0; key < keys;) {
    const int position = segment * kSegmentKeys + key;
    const int slot = position % block_tokens;
    const KeyPlace place = PlaceKey(slot, head_dim, block_tokens);
    // To the end of the group there, or of the one here.
    const int run =
        std::min({keys - key, place.width - slot % kKeyGroup, kKeyGroup - key % kKeyGroup});
    const Panel panel =
        HeadPanel(pass.store.LayerBlock(0, pass.layer, table[position / block_tokens]),
                  task.kv_head, head_dim, block_tokens, dtype);
    const std::byte* from = panel.keys + place.first * bytes;
    float* to = scratch.keys.data() + PlaceKey(key, head_dim, kSegmentKeys).first;
    if (run == kKeyGroup) {
      WidenToF32(dtype, from, kKeyGroup * head_dim, to);
    } else {
      for (int d = 0; d < head_dim; ++d) {
        WidenToF32(dtype, from + int64_t{1} * d * place.width * bytes, run, to + d * kKeyGroup);
      }
    }
    WidenToF32(dtype, panel.values + int64_t{1} * slot * head_dim * bytes, run * head_dim,
               scratch.values.data() + int64_t{1} * key * head_dim);
    key += run;
  }
}

void PagedAttention::CopyScales(const Pass& pass, const Task& task, int segment, int keys,
                                SegmentView& view) const {
  const KvGeometry& geometry = pass.store.geometry();
  const int block_tokens = geometry.block_tokens;
  const absl::Span<const BlockId> table = pass.batch.blocks(pass.batch.spans[task.span]);
  for (int key = 0; key < keys;) {
    const int position = segment * kSegmentKeys + key;
    const int slot = position % block_tokens;
    const int run = std::min(keys - key, block_tokens - slot);
    const Panel panel =
        HeadPanel(pass.store.LayerBlock(0, pass.layer, table[position / block_tokens]),
                  task.kv_head, shape_.head_dim, block_tokens, geometry.groups[0].dtype);
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
      view.keys[i] = reinterpret_cast<const std::byte*>(scratch.keys.data() + group);
      view.values[i] = reinterpret_cast<const std::byte*>(scratch.values.data() + group);
    }
    return view;
  }
  const int bytes = KvDtypeBytes(view.dtype);
  const absl::Span<const BlockId> table = pass.batch.blocks(pass.batch.spans[task.span]);
  for (int i = 0; i < groups; ++i) {
    const int position = segment * kSegmentKeys + i * kKeyGroup;
    const int slot = position % block_tokens;
    const Panel panel =
        HeadPanel(pass.store.LayerBlock(0, pass.layer, table[position / block_tokens]),
                  task.kv_head, head_dim, block_tokens, dtype);
    const int64_t group = int64_t{1} * slot * head_dim * bytes;
    view.keys[i] = panel.keys + group;
    view.values[i] = panel.values + group;
  }
  return view;
}

void PagedAttention::RunMicroTile(const Pass& pass, Task& task, const SegmentView& view,
                                  int segment, int row, Scratch& scratch) const {
  const BatchSpan& span = pass.batch.spans[task.span];
  const int group = shape_.group();
  const int tile_rows = task.tokens * group;
  QueryRows tile;
  tile.scale = 1.0f / std::sqrt(static_cast<float>(shape_.head_dim));
  const int end = std::min(row + kMicroTileRows, tile_rows);
  int first = row;  // of the rows that see this segment: later tokens see more
  for (int r = row; r < end; ++r) {
    const int token = task.token + r / group;
    const int visible = span.first_position + token + 1 - segment * kSegmentKeys;
    if (visible <= 0) {
      first = r + 1;
      continue;
    }
    const int head = task.kv_head * group + r % group;
    const int i = tile.rows++;
    tile.queries[i] =
        pass.queries + (span.row + token) * pass.query_stride + int64_t{1} * head * shape_.head_dim;
    tile.visible[i] = std::min(visible, kSegmentKeys);
    tile.partials[i] =
        task.partials != nullptr
            ? task.partials + (int64_t{1} * segment * tile_rows + r) * partial_floats_
            : scratch.partial.data() + int64_t{1} * i * partial_floats_;
  }
  if (tile.rows == 0) return;
  AttendSegment(view, tile, scratch.scores.data(), &task.counts, &scratch.ticks);
  for (int i = 0; task.partials == nullptr && i < tile.rows; ++i) {
    MergePartial(tile.partials[i], shape_.head_dim,
                 scratch.running.data() + int64_t{1} * (first + i) * partial_floats_);
  }
  scratch.ticks.LapValues();
}

void PagedAttention::RunTask(const Pass& pass, Task& task, Scratch& scratch) const {
  const BatchSpan& span = pass.batch.spans[task.span];
  const int rows = task.tokens * shape_.group();
  const int tile_end = span.first_position + task.token + task.tokens;
  task.counts = {};
  task.keys_read = 0;
  scratch.ticks.Start();
  if (task.partials == nullptr) {
    for (int r = 0; r < rows; ++r) {
      scratch.running[int64_t{1} * r * partial_floats_ + shape_.head_dim + 1] = 0.0f;
    }
  }
  for (int s = task.first_segment; s < task.first_segment + task.segments; ++s) {
    const int keys = std::min(kSegmentKeys, tile_end - s * kSegmentKeys);
    const SegmentView view = ViewSegment(pass, task, s, keys, scratch);
    scratch.ticks.LapKeysAndValues();
    task.keys_read += keys;
    for (int row = 0; row < rows; row += kMicroTileRows) {
      RunMicroTile(pass, task, view, s, row, scratch);
    }
  }
  if (task.partials != nullptr) return;
  for (int r = 0; r < rows; ++r) {
    WriteRow(pass, task, r, scratch.running.data() + int64_t{1} * r * partial_floats_, scratch);
  }
  scratch.ticks.LapValues();
}

void PagedAttention::WriteRow(const Pass& pass, const Task& task, int row, const float* running,
                              Scratch& scratch) const {
  const int group = shape_.group();
  const int token = pass.batch.spans[task.span].row + task.token + row / group;
  const int head = task.kv_head * group + row % group;
  FinishPartial(running, shape_.head_dim, scratch.row.data());
  const int64_t element =
      (int64_t{1} * token * shape_.heads + head) * static_cast<int64_t>(shape_.head_dim);
  RoundRow(shape_.head_dim, scratch.row.data(), pass.out_dtype,
           pass.out + element * WeightDtypeBytes(pass.out_dtype));
}

void PagedAttention::MergeTile(const Pass& pass, const Merge& merge, Scratch& scratch) const {
  const Task& task = tasks_[merge.task];
  const BatchSpan& span = pass.batch.spans[task.span];
  const int rows = task.tokens * shape_.group();
  scratch.ticks.Start();
  for (int r = 0; r < rows; ++r) {
    const int keys = span.first_position + task.token + r / shape_.group() + 1;
    float* running = scratch.running.data();
    running[shape_.head_dim + 1] = 0.0f;
    for (int s = 0; s < CountSegments(keys); ++s) {
      MergePartial(task.partials + (int64_t{1} * s * rows + r) * partial_floats_, shape_.head_dim,
                   running);
    }
    WriteRow(pass, task, r, running, scratch);
  }
  scratch.ticks.LapValues();
}

void PagedAttention::Run(const StepBatch& batch, const KvStore& store, int layer,
                         const float* queries, int64_t query_stride, WeightDtype out_dtype,
                         std::byte* out, StepWork* work) {
  const Pass pass = {batch, store, layer, queries, query_stride, out_dtype, out};
  for (Scratch& scratch : scratch_) scratch.ticks.Reset();
  ParallelTasks(shape_.threads, static_cast<int64_t>(tasks_.size()),
                [&](int64_t i, int thread) { RunTask(pass, tasks_[i], scratch_[thread]); });
  ParallelTasks(shape_.threads, static_cast<int64_t>(merges_.size()),
                [&](int64_t i, int thread) { MergeTile(pass, merges_[i], scratch_[thread]); });
  CountWork(store, work);
}

AttentionTicks PagedAttention::ticks() const {
  AttentionTicks sum;
  for (const Scratch& scratch : scratch_) sum += scratch.ticks;
  return sum;
}

}  // namespace plumbline
