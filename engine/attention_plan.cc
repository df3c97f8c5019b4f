// Which thread attends to what, and the counters of what it did.
#include <algorithm>

#include "engine/attention.h"
#include "engine/attention_tiles.h"
#include "engine/rounding.h"

namespace plumbline {
namespace {

// Tiles are split over stretches while there are fewer than this many tasks for each thread.
constexpr int kSplitTasksPerThread = 4;
// The same of spans so short that a tile has room for all heads' rows: a task takes neighbouring
// heads, of some stretches.
constexpr int kTogetherTasksPerThread = 16;
// Rows whose partials one thread merges in one go: behind 16k one of them takes as long as the
// start of a parallel loop.
constexpr int kMergedRows = 3;

}  // namespace

int AttentionShape::tile_rows() const {
  return std::max(MultipliesBf16(form) ? kTiledTileRows : kAttentionTileRows, group());
}

int PagedAttention::TileTokens() const { return shape_.tile_rows() / shape_.group(); }

void PagedAttention::Prepare(const StepBatch& batch) {
  tasks_.clear();
  merges_.clear();
  split_used_ = 0;
  int64_t tiles = 0;  // of all heads
  for (const BatchSpan& span : batch.spans) {
    tiles += CeilDiv(span.count, TileTokens());
  }
  for (size_t i = 0; i < batch.spans.size(); ++i) {
    // Last tiles see the most keys: they go first, so that no thread is left with a long one.
    const BatchSpan& span = batch.spans[i];
    const int last = (span.count - 1) / TileTokens() * TileTokens();
    for (int token = last; token >= 0; token -= TileTokens()) {
      PlanTile(span, static_cast<int>(i), token, tiles);
    }
  }
}

void PagedAttention::PlanTile(const BatchSpan& span, int span_index, int token, int64_t tiles) {
  Task task;
  task.span = span_index;
  task.token = token;
  task.tokens = std::min(TileTokens(), span.count - token);
  const int segments = CountSegments(span.first_position + token + task.tokens);
  const int stretches = CountStretches(segments);
  const int rows = task.tokens * shape_.group();
  task.head_floats = int64_t{1} * stretches * rows * partial_floats_;
  const bool room = split_used_ + shape_.kv_heads * task.head_floats <= split_floats_;
  // As many tasks as are wanted of each tile.
  const auto wanted = [&](int per_thread, int64_t of) {
    return CeilDiv(shape_.threads > 1 ? int64_t{1} * per_thread * shape_.threads : 1, of);
  };
  const bool short_span = int64_t{1} * span.count * shape_.heads <= shape_.tile_rows();
  const int64_t of_tile = short_span ? wanted(kTogetherTasksPerThread, tiles)
                                     : wanted(kSplitTasksPerThread, tiles * shape_.kv_heads);
  const int64_t parts = room ? std::min<int64_t>(stretches, of_tile) : 1;
  const int64_t runs =
      short_span ? std::min<int64_t>(shape_.kv_heads, CeilDiv(of_tile, parts)) : shape_.kv_heads;
  const auto heads = static_cast<int>(CeilDiv(shape_.kv_heads, runs));
  for (; task.kv_head < shape_.kv_heads; task.kv_head += heads) {
    task.kv_heads = std::min(heads, shape_.kv_heads - task.kv_head);
    AddTasks(task, segments, parts);
  }
}

void PagedAttention::AddTasks(const Task& heads, int segments, int64_t parts) {
  Task task = heads;
  const auto per_part =
      static_cast<int>(CeilDiv(CountStretches(segments), parts)) * kStretchSegments;
  if (per_part >= segments) {
    task.segments = segments;
    tasks_.push_back(task);
    return;
  }
  task.partials = split_.get() + split_used_;
  split_used_ += task.kv_heads * task.head_floats;
  const int rows = task.tokens * shape_.group();
  for (int head = 0; head < task.kv_heads; ++head) {
    for (int row = 0; row < rows; row += kMergedRows) {
      merges_.push_back(
          {static_cast<int>(tasks_.size()), head, row, std::min(kMergedRows, rows - row)});
    }
  }
  for (int first = 0; first < segments; first += per_part) {
    task.first_segment = first;
    task.segments = std::min(per_part, segments - first);
    tasks_.push_back(task);
  }
}

void PagedAttention::CountWork(const KvStore& store, StepWork* work) const {
  constexpr int kScores = static_cast<int>(WorkClass::kScores);
  constexpr int kValues = static_cast<int>(WorkClass::kWeightedValues);
  const LayerGroup& group = store.geometry().groups[0];
  for (const Task& task : tasks_) {
    MacCounts& macs = work->spans[task.span];
    macs.useful[kScores] += task.counts.useful_scores * shape_.head_dim;
    macs.executed[kScores] += task.counts.executed_scores * shape_.head_dim;
    macs.useful[kValues] += task.counts.weighted_values * shape_.head_dim;
    macs.executed[kValues] += task.counts.executed_values * shape_.head_dim;
    work->softmax_pairs += task.counts.softmax_pairs;
    work->bytes[kScores] += task.keys_read * KvRowBytes(group.dtype, group.key_width);
    work->bytes[kValues] += task.keys_read * KvRowBytes(group.dtype, group.value_width);
  }
}

int64_t PagedAttention::scratch_bytes() const {
  int64_t bytes = split_used_ * static_cast<int64_t>(sizeof(float));
  for (const Scratch& s : scratch_) {
    for (const auto* buffer :
         {&s.scores, &s.keys, &s.values, &s.queries, &s.partial, &s.stretch, &s.running, &s.row}) {
      bytes += buffer->bytes();
    }
  }
  return bytes;
}

int64_t PagedAttention::reserved_bytes() const {
  return scratch_bytes() - split_used_ * static_cast<int64_t>(sizeof(float)) + split_.bytes();
}

}  // namespace plumbline
