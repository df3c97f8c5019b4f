// Attention of one step's spans over the paged cache.
//
// Block layout (opaque to cache/): for each KV head, its keys in groups of 16, each [head_dim, 16],
// then its values, [block_tokens, head_dim], in the cache's dtype; of an int8 cache, the keys' and
// the values' scales, [block_tokens] f32, follow each. Transposed keys let a vector
// hold the scores of 16 keys; values by row let it hold 16 channels.
// Where attention runs in tiles (attention_form.h) two neighbours lie together, since products are
// of pairs: keys in groups of 16, each [head_dim / 2, 16, 2], and values [block_tokens / 2,
// head_dim, 2]; the last value of an odd block stands alone, [head_dim].
//
// A span's query rows (token-major; the heads / kv_heads query heads of one KV head side by side)
// are cut into tiles of at most tile_rows() rows; a tile reads
// each key and value it needs once. Scores live in one micro-tile's scratch and nowhere else.
#ifndef PLUMBLINE_ENGINE_ATTENTION_H_
#define PLUMBLINE_ENGINE_ATTENTION_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "cache/kv_store.h"
#include "engine/attention_form.h"
#include "engine/attention_kernels.h"
#include "engine/kv_layout.h"
#include "engine/step_batch.h"
#include "engine/step_clock.h"
#include "engine/untouched_array.h"
#include "engine/weight_dtype.h"
#include "engine/work.h"

namespace plumbline {

inline constexpr int kAttentionTileRows = 96;  // in tiles: kTiledTileRows

struct AttentionShape {
  int heads = 0;
  int kv_heads = 0;  // divides heads
  int head_dim = 0;
  int threads = 1;
  AttentionForm form = AttentionForm::kVectors;  // AttentionFormFor the cache, or vectors

  int group() const { return heads / kv_heads; }  // query heads of one KV head
  int tile_rows() const;                          // of one token's heads at least
};

// Scratch is sized at construction. One thread calls at a time; it uses `threads` threads itself.
class PagedAttention {
 public:
  explicit PagedAttention(const AttentionShape& shape);

  // Neighbouring KV heads' keys, or values, of one token.
  enum class Side : uint8_t { kKeys, kValues };
  struct KvHeads {
    Side side;
    int first;
    int count;
    const float* elements;  // [count, head_dim]
  };
  // Where a token's keys and values belong.
  struct TokenPlace {
    KvStore& store;
    int layer;
    absl::Span<const BlockId> table;
    int position;
  };
  // Writes them to the token's slot. Distinct tokens, heads and sides may be written from distinct
  // threads. Returns the bytes written.
  // REQUIRES: the table covers the position; the store's first group has this shape, and in tiles
  // the dtype bf16. A store belongs to one form.
  int64_t Write(const TokenPlace& place, const KvHeads& heads) const;
  // Those of all heads, [kv_heads, head_dim] each.
  struct WrittenBytes {
    int64_t keys = 0;
    int64_t values = 0;
  };
  WrittenBytes Write(const TokenPlace& place, const float* keys, const float* values) const {
    return {Write(place, {Side::kKeys, 0, shape_.kv_heads, keys}),
            Write(place, {Side::kValues, 0, shape_.kv_heads, values})};
  }

  // Plans the tiles of a batch. Call once a step, before Run.
  void Prepare(const StepBatch& batch);

  // out[token, heads * head_dim] = attention of the batch's queries over their sequences' cached
  // keys, the tokens' own included (they must have been written). `queries` rows start
  // query_stride floats apart, [heads, head_dim] each. Results are rounded to `out_dtype`.
  // Counts its work in `*work`: classes kScores and kWeightedValues, and softmax_pairs.
  void Run(const StepBatch& batch, const KvStore& store, int layer, const float* queries,
           int64_t query_stride, WeightDtype out_dtype, std::byte* out, StepWork* work);

  // Bytes of the buffers that stand in for stored scores: every thread's scratch, and the partials
  // that the last Prepare took for split tiles.
  int64_t scratch_bytes() const;
  // The same with all the room there is for partials: what a step may make resident.
  int64_t reserved_bytes() const;
  // Writes what steps have not written yet. Not while a step runs.
  void TouchScratch() { split_.Touch(); }

  // What the last Run's threads spent on each part. Gathering goes to scores and weighted values
  // by halves (it copies as much of keys as of values); merging, dividing and writing the output
  // go to weighted values; waiting for each other is in none.
  AttentionTicks ticks() const;

 private:
  // Some KV heads' rows of one tile over a run of segments: what one thread does in one go.
  struct Task {
    int span = 0;
    int kv_head = 0;  // the first one
    int kv_heads = 1;
    int token = 0;   // of the span
    int tokens = 0;  // of the tile
    int first_segment = 0;
    int segments = 0;
    // Split tiles, whose tasks have whole stretches but for the last:
    // [kv_heads][tile's stretches][rows][PartialFloats].
    float* partials = nullptr;
    int64_t head_floats = 0;  // of one head's partials
    AttentionCounts counts;
    int64_t keys_read = 0;
  };
  // One segment of one of a task's heads. A task goes through all heads of a segment before the
  // next: their keys and values lie side by side in a block.
  struct Unit {
    int head;  // of the task's
    int segment;
  };
  // The tasks that no thread has taken yet. Any thread may take.
  class TaskQueue {
   public:
    explicit TaskQueue(absl::Span<Task> tasks) : tasks_(tasks) {}
    Task* Take() {  // null: none is left
      const size_t i = next_.fetch_add(1, std::memory_order_relaxed);
      return i < tasks_.size() ? &tasks_[i] : nullptr;
    }

   private:
    absl::Span<Task> tasks_;
    std::atomic<size_t> next_ = 0;
  };
  // Where partials of a split tile are merged: some rows of a head.
  struct Merge {
    int task = 0;  // any task of the tile
    int head = 0;  // of the task's
    int row = 0;   // of the tile, the first one
    int rows = 0;
  };
  struct alignas(64) Scratch {     // a cache line: threads bump the ticks beside each other
    UntouchedArray<float> scores;  // one micro-tile's; in tiles all that a call needs
    UntouchedArray<float> keys;    // one segment's, gathered: widened, or in tiles as stored
    UntouchedArray<float> values;
    UntouchedArray<float> queries;  // one task's in bf16; nothing where attention runs in vectors
    UntouchedArray<float> partial;  // one micro-tile's, of one segment
    UntouchedArray<float> stretch;  // one task's, of the stretch at hand
    UntouchedArray<float> running;  // one task's, of the stretches before, and one row's in a merge
    UntouchedArray<float> row;      // one row of output
    std::array<SegmentView, 2> views;
    int view = 0;            // that of the unit at hand
    bool viewed = false;     // whether it is set already
    AttentionCounts counts;  // of the task at hand
    int64_t keys_read = 0;
    AttentionTicks ticks;
  };
  // What Run hands to its parts.
  struct Pass {
    const StepBatch& batch;
    const KvStore& store;
    int layer;
    const float* queries;
    int64_t query_stride;
    WeightDtype out_dtype;
    std::byte* out;
  };

  // One head's key or value, to the head's part of the block that holds it.
  void WriteHead(KvDtype dtype, int block_tokens, int slot, Side side, const float* from,
                 std::byte* panel) const;
  void WriteHeadInTiles(int block_tokens, int slot, Side side, const float* from,
                        std::byte* panel) const;
  int TileTokens() const;
  void PlanTile(const BatchSpan& span, int span_index, int token, int64_t tiles);
  // Puts the tasks of a tile's heads from task.kv_head on, cut into `parts` of its stretches.
  void AddTasks(const Task& heads, int segments, int64_t parts);
  static Unit UnitAt(const Task& task, int index) {
    return {index % task.kv_heads, task.first_segment + index / task.kv_heads};
  }
  // Keys of a segment that the task's last token sees.
  int KeysOf(const Pass& pass, const Task& task, int segment) const;
  // Where they and their values are: in their blocks or gathered, in vectors or in tiles.
  void View(const Pass& pass, const Task& task, const Unit& unit, Scratch& scratch,
            SegmentView& view) const;
  void ViewSegment(const Pass& pass, const Task& task, const Unit& unit, int keys, Scratch& scratch,
                   SegmentView& view) const;
  // Where a block that is gathered starts at `key` of the segment: brings in one that is due a
  // little later, keys and values. Small blocks lie too far apart for the CPU to see a stream.
  void FetchAhead(const Pass& pass, const Task& task, const Unit& unit, int keys, int key) const;
  void GatherSegment(const Pass& pass, const Task& task, const Unit& unit, int keys,
                     Scratch& scratch) const;
  void ViewSegmentInTiles(const Pass& pass, const Task& task, const Unit& unit, int keys,
                          Scratch& scratch, SegmentView& view) const;
  void GatherKeysInTiles(const Pass& pass, const Task& task, const Unit& unit, int keys,
                         std::byte* gathered) const;
  void GatherValuesInTiles(const Pass& pass, const Task& task, const Unit& unit, int keys,
                           std::byte* gathered) const;
  // One KV head's part of the block that holds a position.
  KvPanel HeadPanelAt(const Pass& pass, const Task& task, const Unit& unit, int position) const;
  void CopyScales(const Pass& pass, const Task& task, const Unit& unit, int keys,
                  SegmentView& view) const;
  // Until no task is left.
  void RunTasks(const Pass& pass, TaskQueue& queue, Scratch& scratch) const;
  // Both return the thread's next task.
  Task* RunTask(const Pass& pass, Task& task, TaskQueue& queue, Scratch& scratch) const;
  Task* AttendSegments(const Pass& pass, const Task& task, TaskQueue& queue,
                       Scratch& scratch) const;
  // In tiles, whose products are of whole groups: zeros behind the last key's values.
  void PadValues(int keys, Scratch& scratch, SegmentView& view) const;
  // Of a tile, of one of the task's heads: [head_dim].
  const float* QueryRow(const Pass& pass, const Task& task, int head, int row) const;
  void RoundQueries(const Pass& pass, const Task& task, Scratch& scratch) const;
  float ScoreScale() const;
  // Where a row's partials of the unit's stretch are merged.
  float* StretchRow(const Task& task, const Unit& unit, int row, Scratch& scratch) const;
  void RunMicroTile(const Pass& pass, const Task& task, const Unit& unit, const SegmentView& view,
                    int row, Scratch& scratch) const;
  // Of a tile, the first row that sees any of a stretch: later tokens see more.
  int FirstRow(const Pass& pass, const Task& task, int stretch) const;
  // Of a tile that is not split: adds what its rows made of the unit's stretch.
  void EndStretch(const Pass& pass, const Task& task, const Unit& unit, Scratch& scratch) const;
  void MergeTile(const Pass& pass, const Merge& merge, Scratch& scratch) const;
  void WriteRow(const Pass& pass, const Task& task, int head, int row, const float* running,
                Scratch& scratch) const;
  void CountWork(const KvStore& store, StepWork* work) const;

  AttentionShape shape_;
  int micro_rows_;  // of one kernel call
  int partial_floats_;
  std::vector<Task> tasks_;
  std::vector<Merge> merges_;
  std::vector<Scratch> scratch_;  // [threads]
  // Partials of split tiles. Not touched, so not resident, until a step splits that much.
  UntouchedArray<float> split_;
  int64_t split_floats_;
  int64_t split_used_ = 0;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_ATTENTION_H_
