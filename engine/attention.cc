#include "engine/attention.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/attention_partials.h"
#include "engine/attention_tiles.h"
#include "engine/kv_layout.h"
#include "engine/ops.h"
#include "engine/parallel.h"

namespace plumbline {
namespace {

// Room for partials of split tiles, by thread: 4 MiB of floats.
constexpr int64_t kSplitFloatsPerThread = int64_t{1} << 20;

}  // namespace

PagedAttention::PagedAttention(const AttentionShape& shape)
    : shape_(shape),
      micro_rows_(MultipliesBf16(shape.form) ? kTileMicroRows : kMicroTileRows),
      partial_floats_(PartialFloats(shape.head_dim)),
      scratch_(shape.threads),
      split_floats_(kSplitFloatsPerThread * shape.threads) {
  const bool tiles = MultipliesBf16(shape.form);
  const int64_t head_dim = shape.head_dim;
  const int64_t rows = shape.tile_rows();
  // Of a segment's keys, and of its values; in tiles they have two bytes each.
  const int64_t segment_floats = head_dim * kSegmentKeys / (tiles ? 2 : 1);
  for (Scratch& s : scratch_) {
    s.scores = UntouchedArray<float>(tiles ? TileScratchFloats(shape.head_dim)
                                           : int64_t{kMicroTileRows} * kSegmentKeys);
    s.keys = UntouchedArray<float>(segment_floats);
    s.values = UntouchedArray<float>(segment_floats);
    s.queries = UntouchedArray<float>(tiles ? rows * head_dim / 2 : 0);
    s.partial = UntouchedArray<float>(int64_t{micro_rows_} * partial_floats_);
    s.running = UntouchedArray<float>(rows * partial_floats_);
    s.row = UntouchedArray<float>(head_dim);
    for (auto* buffer :
         {&s.scores, &s.keys, &s.values, &s.queries, &s.partial, &s.running, &s.row}) {
      buffer->Touch();
    }
  }
  if (shape.threads > 1) split_ = UntouchedArray<float>(split_floats_);
}

float PagedAttention::ScoreScale() const {
  return 1.0f / std::sqrt(static_cast<float>(shape_.head_dim));
}

const float* PagedAttention::QueryRow(const Pass& pass, const Task& task, int row) const {
  const int group = shape_.group();
  const int64_t token = pass.batch.spans[task.span].row + task.token + row / group;
  const int64_t head = int64_t{1} * task.kv_head * group + row % group;
  return pass.queries + token * pass.query_stride + head * shape_.head_dim;
}

void PagedAttention::RoundQueries(const Pass& pass, const Task& task, Scratch& scratch) const {
  auto* out = reinterpret_cast<std::byte*>(scratch.queries.get());
  for (int r = 0; r < task.tokens * shape_.group(); ++r) {
    RoundQuery(QueryRow(pass, task, r), shape_.head_dim, ScoreScale(), out);
    out += KvRowBytes(KvDtype::kBf16, shape_.head_dim);
  }
}

void PagedAttention::RunMicroTile(const Pass& pass, Task& task, const SegmentView& view,
                                  int segment, int row, Scratch& scratch) const {
  const BatchSpan& span = pass.batch.spans[task.span];
  const int group = shape_.group();
  const int tile_rows = task.tokens * group;
  QueryRows tile;
  tile.scale = ScoreScale();
  const int end = std::min(row + micro_rows_, tile_rows);
  int first = row;  // of the rows that see this segment: later tokens see more
  for (int r = row; r < end; ++r) {
    const int token = task.token + r / group;
    const int visible = span.first_position + token + 1 - segment * kSegmentKeys;
    if (visible <= 0) {
      first = r + 1;
      continue;
    }
    const int i = tile.rows++;
    tile.queries[i] = QueryRow(pass, task, r);
    tile.visible[i] = std::min(visible, kSegmentKeys);
    tile.partials[i] =
        task.partials != nullptr
            ? task.partials + (int64_t{1} * segment * tile_rows + r) * partial_floats_
            : scratch.partial.get() + int64_t{1} * i * partial_floats_;
  }
  if (tile.rows == 0) return;
  if (MultipliesBf16(shape_.form)) {
    tile.rounded = reinterpret_cast<const std::byte*>(scratch.queries.get()) +
                   first * KvRowBytes(KvDtype::kBf16, shape_.head_dim);
    AttendSegmentInTiles(shape_.form, view, tile, scratch.scores.get(), &task.counts,
                         &scratch.ticks);
  } else {
    AttendSegment(view, tile, scratch.scores.get(), &task.counts, &scratch.ticks);
  }
  for (int i = 0; task.partials == nullptr && i < tile.rows; ++i) {
    MergePartial(tile.partials[i], shape_.head_dim,
                 scratch.running.get() + int64_t{1} * (first + i) * partial_floats_);
  }
  scratch.ticks.LapValues();
}

int PagedAttention::KeysOf(const Pass& pass, const Task& task, int segment) const {
  const int end = pass.batch.spans[task.span].first_position + task.token + task.tokens;
  return std::min(kSegmentKeys, end - segment * kSegmentKeys);
}

SegmentView PagedAttention::View(const Pass& pass, const Task& task, int segment,
                                 Scratch& scratch) const {
  const int keys = KeysOf(pass, task, segment);
  return MultipliesBf16(shape_.form) ? ViewSegmentInTiles(pass, task, segment, keys, scratch)
                                     : ViewSegment(pass, task, segment, keys, scratch);
}

void PagedAttention::AttendSegments(const Pass& pass, Task& task, Scratch& scratch) const {
  const int rows = task.tokens * shape_.group();
  // Pairs know ahead what to fetch; who gathers has room for one segment.
  const bool ahead =
      shape_.form == AttentionForm::kPairs && GroupsInBlocks(pass.store.geometry().block_tokens);
  std::array<SegmentView, 2> views;
  for (int i = 0; i < task.segments; ++i) {
    SegmentView& view = views[i % 2];
    SegmentView& next = views[(i + 1) % 2];
    const int segment = task.first_segment + i;
    const bool last = i + 1 == task.segments;
    if (!ahead || i == 0) view = View(pass, task, segment, scratch);
    if (ahead && !last) next = View(pass, task, segment + 1, scratch);
    view.fetch = ahead;
    view.next = ahead && !last ? &next : nullptr;
    scratch.ticks.LapKeysAndValues();
    task.keys_read += KeysOf(pass, task, segment);
    for (int row = 0; row < rows; row += micro_rows_) {
      RunMicroTile(pass, task, view, segment, row, scratch);
      view.fetch = false;
    }
  }
}

void PagedAttention::RunTask(const Pass& pass, Task& task, Scratch& scratch) const {
  const int rows = task.tokens * shape_.group();
  task.counts = {};
  task.keys_read = 0;
  scratch.ticks.Start();
  if (MultipliesBf16(shape_.form)) {
    RoundQueries(pass, task, scratch);
    scratch.ticks.LapScores();
  }
  if (task.partials == nullptr) {
    for (int r = 0; r < rows; ++r) {
      scratch.running[int64_t{1} * r * partial_floats_ + shape_.head_dim + 1] = 0.0f;
    }
  }
  AttendSegments(pass, task, scratch);
  if (task.partials != nullptr) return;
  for (int r = 0; r < rows; ++r) {
    WriteRow(pass, task, r, scratch.running.get() + int64_t{1} * r * partial_floats_, scratch);
  }
  scratch.ticks.LapValues();
}

void PagedAttention::WriteRow(const Pass& pass, const Task& task, int row, const float* running,
                              Scratch& scratch) const {
  const int group = shape_.group();
  const int token = pass.batch.spans[task.span].row + task.token + row / group;
  const int head = task.kv_head * group + row % group;
  FinishPartial(running, shape_.head_dim, scratch.row.get());
  const int64_t element =
      (int64_t{1} * token * shape_.heads + head) * static_cast<int64_t>(shape_.head_dim);
  RoundRow(shape_.head_dim, scratch.row.get(), pass.out_dtype,
           pass.out + element * WeightDtypeBytes(pass.out_dtype));
}

void PagedAttention::MergeTile(const Pass& pass, const Merge& merge, Scratch& scratch) const {
  const Task& task = tasks_[merge.task];
  const BatchSpan& span = pass.batch.spans[task.span];
  const int rows = task.tokens * shape_.group();
  scratch.ticks.Start();
  for (int r = 0; r < rows; ++r) {
    const int keys = span.first_position + task.token + r / shape_.group() + 1;
    float* running = scratch.running.get();
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
