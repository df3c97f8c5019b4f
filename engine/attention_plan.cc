// Which thread attends to what, and the counters of what it did.
#include <algorithm>

#include "engine/attention.h"
#include "engine/attention_tiles.h"

namespace plumbline {
namespace {

// Tiles are split over segments while there are fewer than this many tasks for each thread.
constexpr int kSplitTasksPerThread = 4;

}  // namespace

int AttentionShape::tile_rows() const {
  return std::max(MultipliesBf16(form) ? kTiledTileRows : kAttentionTileRows, group());
}

int PagedAttention::TileTokens() const { return shape_.tile_rows() / shape_.group(); }

void PagedAttention::Prepare(const StepBatch& batch) {
  tasks_.clear();
  merges_.clear();
  split_used_ = 0;
  int64_t tiles = 0;
  for (const BatchSpan& span : batch.spans) {
    tiles += int64_t{1} * (span.count + TileTokens() - 1) / TileTokens() * shape_.kv_heads;
  }
  const int64_t wanted =
      shape_.threads > 1 ? int64_t{1} * kSplitTasksPerThread * shape_.threads : 1;
  const auto parts = static_cast<int>(tiles == 0 ? 1 : (wanted + tiles - 1) / tiles);
  for (size_t i = 0; i < batch.spans.size(); ++i) {
    // Last tiles see the most keys: they go first, so that no thread is left with a long one.
    const BatchSpan& span = batch.spans[i];
    const int last = (span.count - 1) / TileTokens() * TileTokens();
    for (int token = last; token >= 0; token -= TileTokens()) {
      PlanTile(span, static_cast<int>(i), token, parts);
    }
  }
}

void PagedAttention::PlanTile(const BatchSpan& span, int span_index, int token, int parts) {
  Task task;
  task.span = span_index;
  task.token = token;
  task.tokens = std::min(TileTokens(), span.count - token);
  const int segments = CountSegments(span.first_position + token + task.tokens);
  const int per_part = (segments + parts - 1) / parts;
  const int64_t floats = int64_t{1} * segments * task.tokens * shape_.group() * partial_floats_;
  for (int head = 0; head < shape_.kv_heads; ++head) {
    task.kv_head = head;
    const bool split = per_part < segments && split_used_ + floats <= split_floats_;
    if (!split) {
      task.first_segment = 0;
      task.segments = segments;
      tasks_.push_back(task);
      continue;
    }
    task.partials = split_.get() + split_used_;
    split_used_ += floats;
    merges_.push_back({static_cast<int>(tasks_.size()), segments});
    for (int first = 0; first < segments; first += per_part) {
      task.first_segment = first;
      task.segments = std::min(per_part, segments - first);
      tasks_.push_back(task);
    }
    task.partials = nullptr;
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
         {&s.scores, &s.keys, &s.values, &s.queries, &s.partial, &s.running, &s.row}) {
      bytes += buffer->bytes();
    }
  }
  return bytes;
}

int64_t PagedAttention::reserved_bytes() const {
  return scratch_bytes() - split_used_ * static_cast<int64_t>(sizeof(float)) + split_.bytes();
}

}  // namespace plumbline
