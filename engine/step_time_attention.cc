// The seconds of attention: what reads its keys and values, and how its tasks share the threads.
#include <algorithm>

#include "engine/cutting.h"
#include "engine/rounding.h"
#include "engine/step_time_parts.h"

namespace plumbline::step_time {
namespace {

// What a layer of attention asks of one thread that does all of it.
struct AttentionCost {
  double score_seconds = 0, softmax_seconds = 0, value_seconds = 0;
  // Of them, while keys and values are read.
  double score_reading_seconds = 0, softmax_reading_seconds = 0, value_reading_seconds = 0;

  double seconds() const { return score_seconds + softmax_seconds + value_seconds; }
};

int64_t Segments(const SpanShape& span) {
  return CeilDiv(span.first + span.count, cutting::kSegmentKeys);
}

int64_t Stretches(const SpanShape& span) {
  return CeilDiv(Segments(span), cutting::kStretchSegments);
}

AttentionCost CostOfSpan(const Step& step, const SpanShape& span) {
  const CostShape& s = step.shape;
  const int64_t tile_tokens = std::min(span.count, cutting::TileTokens(s));
  const int64_t rows = tile_tokens * (s.h / s.g);
  const double score_pairs = Real(SpanExecutedScorePairs(s, span));
  const double keys = score_pairs / Real(s.h * span.count * Segments(span));
  const TileCost cost = MultipliesBf16(s.attention)
                            ? step.tables.CpuTile(s.cache_dtype, s.e, rows, keys)
                            : step.tables.Tile(s.cache_dtype, s.e, rows, keys,
                                               s.block_tokens % cutting::kKeyGroup != 0);
  const double score_macs = score_pairs * Real(s.e);
  const double pairs = Real(s.h * SpanPairs(span));
  const double value_macs = Real(SpanExecutedValuePairs(s, span)) * Real(s.e);
  return {score_macs * cost.score_seconds,      pairs * cost.softmax_seconds,
          value_macs * cost.value_seconds,      score_macs * cost.score_reading_seconds,
          pairs * cost.softmax_reading_seconds, value_macs * cost.value_reading_seconds};
}

// All spans of one layer together, and how they are cut into tasks.
struct AttentionLoad {
  double seconds = 0;
  int64_t tasks = 0;
  double largest_task_seconds = 0;
  bool merges = false;
};

// Tiles of all spans, each of all KV heads.
int64_t CountTiles(const Step& step) {
  int64_t tiles = 0;
  for (const SpanShape& span : step.spans) {
    tiles += CeilDiv(span.count, cutting::TileTokens(step.shape));
  }
  return tiles;
}

// How a span's tiles are cut into tasks (attention_plan.cc).
struct Cut {
  int64_t runs;   // of neighbouring KV heads
  int64_t parts;  // of stretches
};
Cut CutOf(const Step& step, const SpanShape& span, int64_t tiles) {
  const CostShape& s = step.shape;
  const int64_t threads = step.profile.threads;
  const auto wanted = [&](int64_t per_thread, int64_t of) {
    return CeilDiv(threads > 1 ? per_thread * threads : 1, of);
  };
  if (span.count * s.h > cutting::TileRows(s)) {
    return {s.g, wanted(cutting::kTasksPerThread, tiles * s.g)};
  }
  const int64_t together = wanted(cutting::kTogetherPerThread, tiles);
  const int64_t parts = std::min(Stretches(span), together);
  const int64_t heads = CeilDiv(s.g, std::min(s.g, CeilDiv(together, parts)));
  return {CeilDiv(s.g, heads), parts};
}

void AddSpan(const Step& step, const SpanShape& span, const Cut& cut, AttentionLoad& load) {
  const CostShape& s = step.shape;
  const int64_t tiles = CeilDiv(span.count, cutting::TileTokens(s)) * cut.runs;
  const int64_t end = span.first + span.count;
  const int64_t segments = Segments(span);
  const int64_t per_part = CeilDiv(Stretches(span), cut.parts);
  const int64_t tasks_of_tile = CeilDiv(Stretches(span), per_part);
  const int64_t task_segments = std::min(segments, per_part * cutting::kStretchSegments);
  // The last tile of a span sees the most keys: end instead of first + (count + 1) / 2 of them.
  const double longest = Real(end) * Real(span.count) / Real(std::max<int64_t>(1, SpanPairs(span)));
  const double seconds = CostOfSpan(step, span).seconds();
  load.seconds += seconds;
  load.tasks += tiles * tasks_of_tile;
  load.merges = load.merges || tasks_of_tile > 1;
  load.largest_task_seconds = std::max(
      load.largest_task_seconds, seconds * longest * Real(task_segments) / Real(tiles * segments));
}

// How much longer the busiest thread works than all would if the work could be shared evenly.
double Imbalance(const AttentionLoad& load, int threads) {
  const double total = load.seconds;
  if (total <= 0 || load.tasks == 0) return 1;
  const double even = total / threads;
  const double rounds = Real(CeilDiv(load.tasks, threads)) * total / Real(load.tasks);
  // With many tasks for each thread the short ones fill the gaps.
  const bool few = load.tasks < cutting::kTasksPerThread * threads;
  return std::max({even, load.largest_task_seconds, few ? rounds : even}) / even;
}

// Seconds to read one side (keys or values) of a span's cache. Its tiles run one after another:
// those after the first find in the caches what these keep of one layer of it.
// `streamed`: seconds per byte where all of it comes from memory.
double CacheReadSeconds(const Step& step, const SpanShape& span, double bytes, double streamed) {
  const double span_bytes = Real(KvUsedBytes(step.shape, span.first + span.count));
  const double once = std::min(bytes, span_bytes / 2);
  const auto at = [&](double working_set) {
    return step.tables.ReadByteSeconds(working_set) / step.tables.ReadByteSeconds(1e18) * streamed;
  };
  return once * at(step.working_set_bytes()) + (bytes - once) * at(span_bytes / Real(step.shape.L));
}

// A class of one span's attention: `reading` of its `compute` seconds pass while `memory` brings
// what they need, the rest works on what is in the caches. `larger` sums what the parts take.
void AddInTurn(double compute, double reading, double memory, double* larger, ClassTime& time) {
  time.compute_seconds += compute;
  time.memory_seconds += memory;
  *larger += compute - reading + std::max(reading, memory);
}

}  // namespace

// Threads take tasks in the order of the spans, so that at any moment all are at one span's, or
// nearly so: what bounds that one bounds the step then.
void AddAttention(const Step& step, StepTime& time) {
  const CostShape& s = step.shape;
  AttentionLoad load;
  const int64_t tiles = CountTiles(step);
  for (const SpanShape& span : step.spans) AddSpan(step, span, CutOf(step, span, tiles), load);
  if (load.tasks == 0) return;
  const int threads = step.threads;
  const double scale = Real(s.L) * Imbalance(load, threads) / threads;
  ClassTime& scores = step.Class(time, WorkClass::kScores);
  ClassTime& softmax = step.Class(time, WorkClass::kSoftmax);
  ClassTime& values = step.Class(time, WorkClass::kWeightedValues);
  double larger_scores = 0;
  double larger_softmax = 0;
  double larger_values = 0;
  for (const SpanShape& span : step.spans) {
    const AttentionCost cost = CostOfSpan(step, span);
    const ByteCounts bytes = StepBytes(s, absl::MakeConstSpan(&span, 1));
    const StreamCost streamed =
        step.tables.Stream(s.cache_dtype, Real(span.first + span.count) / Real(Segments(span)));
    const auto read = [&](WorkClass c, double seconds) {
      return CacheReadSeconds(step, span, Real(bytes[static_cast<size_t>(c)]), seconds);
    };
    AddInTurn(cost.score_seconds * scale, cost.score_reading_seconds * scale,
              read(WorkClass::kScores, streamed.score_seconds), &larger_scores, scores);
    // Where it waits for nothing (gathered first), memory does not bound it.
    const bool waits = cost.softmax_reading_seconds > 0;
    AddInTurn(cost.softmax_seconds * scale, cost.softmax_reading_seconds * scale,
              waits ? read(WorkClass::kScores, streamed.softmax_seconds) : 0, &larger_softmax,
              softmax);
    AddInTurn(cost.value_seconds * scale, cost.value_reading_seconds * scale,
              read(WorkClass::kWeightedValues, streamed.value_seconds), &larger_values, values);
  }
  scores.in_turn_seconds = larger_scores - scores.work_seconds();
  softmax.in_turn_seconds = larger_softmax - softmax.work_seconds();
  values.in_turn_seconds = larger_values - values.work_seconds();
  const double regions = (load.tasks > 1 ? 1 : 0) + (load.merges ? 1 : 0);
  const double overhead =
      Real(s.L) * step.Handed(regions) / step.profile.parallel_regions.per_second;
  for (ClassTime* part : {&scores, &softmax, &values}) {
    part->overhead_seconds = overhead * part->compute_seconds / (load.seconds * scale);
  }
}

}  // namespace plumbline::step_time
