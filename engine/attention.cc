#include "engine/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

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
    s.stretch = UntouchedArray<float>(rows * partial_floats_);
    s.running = UntouchedArray<float>(rows * partial_floats_);
    s.row = UntouchedArray<float>(head_dim);
    for (auto* buffer :
         {&s.scores, &s.keys, &s.values, &s.queries, &s.partial, &s.stretch, &s.running, &s.row}) {
      buffer->Touch();
    }
  }
  if (shape.threads > 1) split_ = UntouchedArray<float>(split_floats_);
}

float PagedAttention::ScoreScale() const {
  return 1.0f / std::sqrt(static_cast<float>(shape_.head_dim));
}

const float* PagedAttention::QueryRow(const Pass& pass, const Task& task, int head, int row) const {
  const int group = shape_.group();
  const int64_t token = pass.batch.spans[task.span].row + task.token + row / group;
  const int64_t query_head = int64_t{1} * (task.kv_head + head) * group + row % group;
  return pass.queries + token * pass.query_stride + query_head * shape_.head_dim;
}

void PagedAttention::RoundQueries(const Pass& pass, const Task& task, Scratch& scratch) const {
  auto* out = reinterpret_cast<std::byte*>(scratch.queries.get());
  const int rows = task.tokens * shape_.group();
  for (int i = 0; i < task.kv_heads * rows; ++i) {
    RoundQuery(QueryRow(pass, task, i / rows, i % rows), shape_.head_dim, ScoreScale(), out);
    out += KvRowBytes(KvDtype::kBf16, shape_.head_dim);
  }
}

float* PagedAttention::StretchRow(const Task& task, const Unit& unit, int row,
                                  Scratch& scratch) const {
  const int64_t rows = int64_t{1} * task.tokens * shape_.group();
  const int64_t stretch = unit.segment / kStretchSegments;
  if (task.partials != nullptr) {
    return task.partials + unit.head * task.head_floats + (stretch * rows + row) * partial_floats_;
  }
  // The first one has nothing to be merged with.
  const UntouchedArray<float>& merged = stretch == 0 ? scratch.running : scratch.stretch;
  return merged.get() + (unit.head * rows + row) * partial_floats_;
}

void PagedAttention::RunMicroTile(const Pass& pass, const Task& task, const Unit& unit,
                                  const SegmentView& view, int row, Scratch& scratch) const {
  const BatchSpan& span = pass.batch.spans[task.span];
  const int group = shape_.group();
  const int tile_rows = task.tokens * group;
  QueryRows tile;
  tile.scale = ScoreScale();
  const bool begins = unit.segment % kStretchSegments == 0;
  const int end = std::min(row + micro_rows_, tile_rows);
  int first = row;  // of the rows that see this segment: later tokens see more
  for (int r = row; r < end; ++r) {
    const int token = task.token + r / group;
    const int visible = span.first_position + token + 1 - unit.segment * kSegmentKeys;
    if (visible <= 0) {
      first = r + 1;
      continue;
    }
    const int i = tile.rows++;
    tile.queries[i] = QueryRow(pass, task, unit.head, r);
    tile.visible[i] = std::min(visible, kSegmentKeys);
    tile.partials[i] = begins ? StretchRow(task, unit, r, scratch)
                              : scratch.partial.get() + int64_t{1} * i * partial_floats_;
  }
  if (tile.rows == 0) return;
  if (MultipliesBf16(shape_.form)) {
    tile.rounded = reinterpret_cast<const std::byte*>(scratch.queries.get()) +
                   (unit.head * tile_rows + first) * KvRowBytes(KvDtype::kBf16, shape_.head_dim);
    AttendSegmentInTiles(shape_.form, view, tile, scratch.scores.get(), &scratch.counts,
                         &scratch.ticks);
  } else {
    AttendSegment(view, tile, scratch.scores.get(), &scratch.counts, &scratch.ticks);
  }
  if (!begins) {
    MergePartials(scratch.partial.get(), tile.rows, shape_.head_dim,
                  StretchRow(task, unit, first, scratch));
  }
  scratch.ticks.LapValues();
}

int PagedAttention::FirstRow(const Pass& pass, const Task& task, int stretch) const {
  const int start = stretch * kStretchSegments * kSegmentKeys;
  const int before = start - pass.batch.spans[task.span].first_position - task.token;
  return std::max(0, before) * shape_.group();
}

void PagedAttention::EndStretch(const Pass& pass, const Task& task, const Unit& unit,
                                Scratch& scratch) const {
  const int stretch = unit.segment / kStretchSegments;
  if (task.partials != nullptr || stretch == 0) return;
  const int rows = task.tokens * shape_.group();
  const int first = FirstRow(pass, task, stretch);
  MergePartials(StretchRow(task, unit, first, scratch), rows - first, shape_.head_dim,
                scratch.running.get() + (int64_t{1} * unit.head * rows + first) * partial_floats_);
  scratch.ticks.LapValues();
}

int PagedAttention::KeysOf(const Pass& pass, const Task& task, int segment) const {
  const int end = pass.batch.spans[task.span].first_position + task.token + task.tokens;
  return std::min(kSegmentKeys, end - segment * kSegmentKeys);
}

void PagedAttention::View(const Pass& pass, const Task& task, const Unit& unit, Scratch& scratch,
                          SegmentView& view) const {
  const int keys = KeysOf(pass, task, unit.segment);
  view.head_dim = shape_.head_dim;
  view.groups = (keys + kKeyGroup - 1) / kKeyGroup;
  view.next = nullptr;
  if (MultipliesBf16(shape_.form)) {
    ViewSegmentInTiles(pass, task, unit, keys, scratch, view);
  } else {
    ViewSegment(pass, task, unit, keys, scratch, view);
  }
}

PagedAttention::Task* PagedAttention::AttendSegments(const Pass& pass, const Task& task,
                                                     TaskQueue& queue, Scratch& scratch) const {
  const int rows = task.tokens * shape_.group();
  // Pairs know ahead what to fetch; who gathers has room for one segment.
  const bool ahead =
      shape_.form == AttentionForm::kPairs && GroupsInBlocks(pass.store.geometry().block_tokens);
  // Few rows wait for memory in each task's first segment: so the next task is taken before this
  // one ends. Many rows are taken when a thread is free.
  const bool early = ahead && rows <= micro_rows_;
  const int units = task.segments * task.kv_heads;
  Task* after = nullptr;
  for (int i = 0; i < units; ++i) {
    const Unit unit = UnitAt(task, i);
    SegmentView& view = scratch.views[scratch.view];
    if (!scratch.viewed) View(pass, task, unit, scratch, view);
    const bool last = i + 1 == units;
    if (last && early) after = queue.Take();
    const Task* const of = last ? after : &task;
    scratch.viewed = ahead && of != nullptr;
    if (scratch.viewed) {
      scratch.view = 1 - scratch.view;
      SegmentView& next = scratch.views[scratch.view];
      View(pass, *of, UnitAt(*of, last ? 0 : i + 1), scratch, next);
      view.next = &next;
    }
    const int keys = KeysOf(pass, task, unit.segment);
    if (MultipliesBf16(shape_.form)) PadValues(keys, scratch, view);
    scratch.ticks.LapKeysAndValues();
    scratch.keys_read += keys;
    for (int row = 0; row < rows; row += micro_rows_) {
      RunMicroTile(pass, task, unit, view, row, scratch);
      view.next = nullptr;  // once is enough
    }
    const int after_segment = unit.segment + 1;
    if (after_segment % kStretchSegments == 0 ||
        after_segment == task.first_segment + task.segments) {
      EndStretch(pass, task, unit, scratch);
    }
  }
  return early ? after : queue.Take();
}

PagedAttention::Task* PagedAttention::RunTask(const Pass& pass, Task& task, TaskQueue& queue,
                                              Scratch& scratch) const {
  const int rows = task.tokens * shape_.group();
  const int all_rows = task.kv_heads * rows;
  scratch.counts = {};
  scratch.keys_read = 0;
  scratch.ticks.Start();
  if (MultipliesBf16(shape_.form)) {
    RoundQueries(pass, task, scratch);
    scratch.ticks.LapScores();
  }
  Task* const after = AttendSegments(pass, task, queue, scratch);
  // Only now: other threads' tasks lie in the same cache lines.
  task.counts = scratch.counts;
  task.keys_read = scratch.keys_read;
  if (task.partials != nullptr) return after;
  for (int r = 0; r < all_rows; ++r) {
    WriteRow(pass, task, r / rows, r % rows,
             scratch.running.get() + int64_t{1} * r * partial_floats_, scratch);
  }
  scratch.ticks.LapValues();
  return after;
}

void PagedAttention::RunTasks(const Pass& pass, TaskQueue& queue, Scratch& scratch) const {
  scratch.viewed = false;
  for (Task* task = queue.Take(); task != nullptr;) task = RunTask(pass, *task, queue, scratch);
}

void PagedAttention::WriteRow(const Pass& pass, const Task& task, int head, int row,
                              const float* running, Scratch& scratch) const {
  const int group = shape_.group();
  const int token = pass.batch.spans[task.span].row + task.token + row / group;
  const int query_head = (task.kv_head + head) * group + row % group;
  FinishPartial(running, shape_.head_dim, scratch.row.get());
  const int64_t element =
      (int64_t{1} * token * shape_.heads + query_head) * static_cast<int64_t>(shape_.head_dim);
  RoundRow(shape_.head_dim, scratch.row.get(), pass.out_dtype,
           pass.out + element * WeightDtypeBytes(pass.out_dtype));
}

void PagedAttention::MergeTile(const Pass& pass, const Merge& merge, Scratch& scratch) const {
  const Task& task = tasks_[merge.task];
  const int rows = task.tokens * shape_.group();
  const int end = merge.row + merge.rows;
  const float* const partials = task.partials + merge.head * task.head_floats;
  float* const running = scratch.running.get();
  scratch.ticks.Start();
  for (int r = 0; r < merge.rows; ++r) running[r * partial_floats_ + shape_.head_dim + 1] = 0.0f;
  for (int stretch = 0;; ++stretch) {
    const int first = std::max(merge.row, FirstRow(pass, task, stretch));
    if (first >= end) break;  // that nobody sees
    MergePartials(partials + (int64_t{1} * stretch * rows + first) * partial_floats_, end - first,
                  shape_.head_dim, running + int64_t{1} * (first - merge.row) * partial_floats_);
  }
  for (int r = 0; r < merge.rows; ++r) {
    WriteRow(pass, task, merge.head, merge.row + r, running + r * partial_floats_, scratch);
  }
  scratch.ticks.LapValues();
}

void PagedAttention::Run(const StepBatch& batch, const KvStore& store, int layer,
                         const float* queries, int64_t query_stride, WeightDtype out_dtype,
                         std::byte* out, StepWork* work) {
  const Pass pass = {batch, store, layer, queries, query_stride, out_dtype, out};
  for (Scratch& scratch : scratch_) scratch.ticks.Reset();
  TaskQueue queue(absl::MakeSpan(tasks_));
  ParallelFor(shape_.threads, std::min<int64_t>(shape_.threads, std::ssize(tasks_)),
              [&](int64_t thread) { RunTasks(pass, queue, scratch_[thread]); });
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
