#include "engine/step_time.h"

#include <algorithm>

#include "engine/cutting.h"
#include "engine/rate_tables.h"

namespace plumbline {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }

// One step, and what all its parts ask of it.
struct Step {
  const MachineProfile& profile;
  const RateTables tables;
  const CostShape& shape;
  absl::Span<const SpanShape> spans;
  int64_t tokens = 0;
  int64_t logit_rows = 0;
  double weight_bytes = 0;
  double cache_bytes = 0;  // keys and values of all spans, once

  // The step goes once over its weights and its cache: what of them a cache level keeps until the
  // next step is a matter of their size together.
  double working_set_bytes() const { return weight_bytes + cache_bytes; }
  ClassTime& Class(StepTime& time, WorkClass c) const {
    return time.classes[static_cast<size_t>(c)];
  }
};

Step MakeStep(const MachineProfile& profile, const CostShape& shape,
              absl::Span<const SpanShape> spans) {
  Step step = {profile, RateTables(profile), shape, spans};
  for (const SpanShape& span : spans) {
    step.tokens += span.count;
    step.logit_rows += span.logit_rows;
    step.cache_bytes += Real(KvUsedBytes(shape, span.first + span.count));
  }
  const int64_t head = step.logit_rows > 0 ? 0 : shape.V * shape.d;
  step.weight_bytes = Real((WeightCount(shape) - head) * shape.weight_bytes);
  return step;
}

// `count` calls, one after the other on different matrices, of `rows` rows each. Where weights
// come from memory a call takes what streaming them takes at that many rows; the part that does
// not bound it is what it would take alone.
void AddCalls(const Step& step, double count, int64_t rows, int64_t outputs, int64_t inputs,
              double memory_share, ClassTime& time) {
  const MatmulCost cost = step.tables.Matmul(step.shape.weight_dtype, rows);
  const double macs = Real(rows) * Real(outputs) * Real(inputs);
  const double bytes = Real(outputs) * Real(inputs) * Real(step.shape.weight_bytes);
  const double outs = Real(rows) * Real(outputs);
  const double hot = macs * cost.mac_seconds + outs * cost.output_seconds;
  const double streamed = bytes * cost.streamed_byte_seconds +
                          (outs - macs / Real(kStreamedInputs)) * cost.output_seconds;
  const double seconds = hot + memory_share * std::max(0.0, streamed - hot);
  const double memory = memory_share * bytes * cost.row_byte_seconds;
  const bool by_memory = memory > hot;
  time.compute_seconds += count * (by_memory ? hot : seconds);
  time.memory_seconds += count * (by_memory ? seconds : std::min(memory, seconds));
  time.overhead_seconds += count / step.profile.matmul_calls.per_second;
}

// `count` matrices of one shape, each multiplied with `rows` rows by the calls of matmul.h. Only
// the first call on a matrix finds it as the last step left it.
void AddMatrices(const Step& step, double count, int64_t rows, int64_t outputs, int64_t inputs,
                 ClassTime& time) {
  double share = step.tables.MemoryShare(step.working_set_bytes());
  const double again =
      step.tables.MemoryShare(Real(outputs) * Real(inputs) * Real(step.shape.weight_bytes));
  while (rows > 0) {
    const int64_t call = rows >= cutting::kCallRows ? cutting::kCallRows
                         : rows >= cutting::kCallStep
                             ? rows / cutting::kCallStep * cutting::kCallStep
                             : rows;
    AddCalls(step, count, call, outputs, inputs, share, time);
    share = again;
    rows -= call;
  }
}

void AddMatmuls(const Step& step, StepTime& time) {
  const CostShape& s = step.shape;
  const double layers = Real(s.L);
  ClassTime& projections = step.Class(time, WorkClass::kProjections);
  AddMatrices(step, layers, step.tokens, (s.h + 2 * s.g) * s.e, s.d, projections);
  AddMatrices(step, layers, step.tokens, s.d, s.h * s.e, projections);
  ClassTime& feed_forward = step.Class(time, WorkClass::kFeedForward);
  AddMatrices(step, layers, step.tokens, (s.m - 1) * s.F, s.d, feed_forward);
  AddMatrices(step, layers, step.tokens, s.d, s.F, feed_forward);
  AddMatrices(step, 1, step.logit_rows, s.V, s.d, step.Class(time, WorkClass::kHead));
}

// What one layer of attention asks of the threads together, and how it is cut into tasks.
struct AttentionLoad {
  double score_seconds = 0, softmax_seconds = 0, value_seconds = 0;
  int64_t tasks = 0;
  double largest_task_seconds = 0;
  bool merges = false;

  double seconds() const { return score_seconds + softmax_seconds + value_seconds; }
};

// Parts that each tile is split into (attention_plan.cc).
int64_t TileParts(const Step& step) {
  int64_t tiles = 0;
  for (const SpanShape& span : step.spans) {
    tiles += cutting::CeilDiv(span.count, cutting::TileTokens(step.shape)) * step.shape.g;
  }
  const int64_t threads = step.profile.threads;
  const int64_t wanted = threads > 1 ? cutting::kTasksPerThread * threads : 1;
  return tiles == 0 ? 1 : cutting::CeilDiv(wanted, tiles);
}

void AddSpan(const Step& step, const SpanShape& span, int64_t parts, AttentionLoad& load) {
  const CostShape& s = step.shape;
  const int64_t tile_tokens = std::min(span.count, cutting::TileTokens(s));
  const int64_t tiles = cutting::CeilDiv(span.count, cutting::TileTokens(s)) * s.g;
  const TileCost cost = step.tables.Tile(s.cache_dtype, s.e, tile_tokens * (s.h / s.g),
                                         s.block_tokens % cutting::kKeyGroup != 0);
  const double pairs = Real(s.h * SpanPairs(span));
  const double scores = Real(SpanExecutedScorePairs(s, span)) * Real(s.e) * cost.score_seconds;
  const double softmax = pairs * cost.softmax_seconds;
  const double values = pairs * Real(s.e) * cost.value_seconds;
  const int64_t end = span.first + span.count;
  const int64_t segments = cutting::CeilDiv(end, cutting::kSegmentKeys);
  const int64_t per_part = cutting::CeilDiv(segments, parts);
  const int64_t tasks_of_tile = cutting::CeilDiv(segments, per_part);
  // The last tile of a span sees the most keys: end instead of first + (count + 1) / 2 of them.
  const double longest = Real(end) * Real(span.count) / Real(std::max<int64_t>(1, SpanPairs(span)));
  load.score_seconds += scores;
  load.softmax_seconds += softmax;
  load.value_seconds += values;
  load.tasks += tiles * tasks_of_tile;
  load.merges = load.merges || tasks_of_tile > 1;
  load.largest_task_seconds =
      std::max(load.largest_task_seconds,
               (scores + softmax + values) * longest / Real(tiles * tasks_of_tile));
}

// How much longer the busiest thread works than all would if the work could be shared evenly.
double Imbalance(const AttentionLoad& load, int threads) {
  const double total = load.seconds();
  if (total <= 0 || load.tasks == 0) return 1;
  const double even = total / threads;
  const double rounds = Real(cutting::CeilDiv(load.tasks, threads)) * total / Real(load.tasks);
  // With many tasks for each thread the short ones fill the gaps.
  const bool few = load.tasks < cutting::kTasksPerThread * threads;
  return std::max({even, load.largest_task_seconds, few ? rounds : even}) / even;
}

// Seconds to read one side (keys or values) of the cache. Tiles after the first of a span find in
// the caches what these keep of one layer.
double CacheReadSeconds(const Step& step, double bytes, const Rate& streamed) {
  const double once = std::min(bytes, step.cache_bytes / 2);
  const auto at = [&](double working_set) {
    return step.tables.ReadByteSeconds(working_set) / step.tables.ReadByteSeconds(1e18) /
           streamed.per_second;
  };
  return once * at(step.working_set_bytes()) +
         (bytes - once) * at(step.cache_bytes / Real(step.shape.L));
}

void AddAttention(const Step& step, StepTime& time) {
  const CostShape& s = step.shape;
  AttentionLoad load;
  const int64_t parts = TileParts(step);
  for (const SpanShape& span : step.spans) AddSpan(step, span, parts, load);
  if (load.tasks == 0) return;
  const int threads = step.profile.threads;
  const double scale = Real(s.L) * Imbalance(load, threads) / threads;
  const ByteCounts bytes = StepBytes(s, step.spans);
  const CacheRates& cache = step.tables.Cache(s.cache_dtype);
  const double regions = (load.tasks > 1 ? 1 : 0) + (load.merges ? 1 : 0);
  const double overhead = Real(s.L) * regions / step.profile.parallel_regions.per_second;
  const auto add = [&](WorkClass c, double seconds, const Rate* streamed) {
    ClassTime& part = step.Class(time, c);
    part.compute_seconds = seconds * scale;
    part.overhead_seconds = overhead * seconds / load.seconds();
    if (streamed == nullptr) return;
    part.memory_seconds = CacheReadSeconds(step, Real(bytes[static_cast<size_t>(c)]), *streamed);
  };
  add(WorkClass::kScores, load.score_seconds, &cache.streamed_key_bytes);
  add(WorkClass::kSoftmax, load.softmax_seconds, nullptr);
  add(WorkClass::kWeightedValues, load.value_seconds, &cache.streamed_value_bytes);
}

// Seconds that one thread takes to write one token's keys and values to one layer, on average.
// A key is written across its block: each element to a line of its own, which the block's other
// tokens share. Lines that no token of this step had before come from memory.
double WriteSeconds(const Step& step) {
  const CostShape& s = step.shape;
  int64_t blocks = 0;
  for (const SpanShape& span : step.spans) {
    blocks += cutting::CeilDiv(span.first % s.block_tokens + span.count, s.block_tokens);
  }
  const double fresh = std::min(1.0, Real(blocks) / Real(std::max<int64_t>(1, step.tokens)));
  const double cold = fresh * step.tables.MemoryShare(step.working_set_bytes());
  const CacheRates& rates = step.tables.Cache(s.cache_dtype);
  const double element = (1 - cold) / rates.hot_write_elements.per_second +
                         cold / rates.cold_write_elements.per_second;
  return Real(2 * s.g * s.e) * element;
}

void AddRows(const Step& step, StepTime& time) {
  const CostShape& s = step.shape;
  const RowRates& rates = step.profile.rows;
  ClassTime& other = step.Class(time, WorkClass::kOther);
  const bool gpt2 = s.m == 2;  // layer norms and GELU; RMS norms and SwiGLU otherwise
  const bool rotated = s.embedding_elements == s.d;
  const double norm = Real(s.d) / (gpt2 ? rates.layer_norm : rates.rms_norm).per_second;
  const double active = Real(s.F) / (gpt2 ? rates.gelu : rates.swiglu).per_second;
  const double rotate = rotated ? Real((s.h + s.g) * s.e) / rates.rotate.per_second : 0;
  const double once = Real(s.embedding_elements) / rates.widen.per_second +
                      (rotated ? Real(s.e / 2) / rates.angles.per_second : 0);
  const bool int8 = s.weight_dtype == WeightDtype::kInt8;
  // Sums become floats in one pass, and rows 8-bit numbers in two: each moves as many elements as
  // widening does.
  const double pass = int8 ? 1 / rates.widen.per_second : 0;
  const double quantised = Real(2 * s.d + s.h * s.e + s.F);
  const double layer = 2 * norm + active + rotate + WriteSeconds(step) +
                       pass * (Real(s.layer_outputs()) + 2 * quantised);
  const double rows = Real(cutting::CeilDiv(step.tokens, step.profile.threads));
  const double logit_rows = Real(cutting::CeilDiv(step.logit_rows, step.profile.threads));
  other.compute_seconds =
      rows * (once + Real(s.L) * layer) + logit_rows * (norm + pass * Real(s.V + 2 * s.d));
  // What the rows' elements take to pass through the caches, where they are too many for them.
  const double row_bytes = 2 * Real(s.d) * Real(4 + 8 + s.weight_bytes) +
                           Real((s.h + 2 * s.g) * s.e) * 8 + Real((s.m - 1) * s.F) * 4 +
                           Real(s.F * s.weight_bytes) +
                           (int8 ? Real(s.h * s.e) * Real(8 + s.weight_bytes) : 0);
  const double layer_bytes = row_bytes * Real(step.tokens);
  other.memory_seconds = Real(s.L) * layer_bytes * step.tables.ReadByteSeconds(layer_bytes);
  const int64_t in_layer = int8 ? 5 : 4;
  const int64_t in_head = int8 ? 2 : 1;
  const int64_t regions = (step.tokens > 1 ? 1 + (rotated ? 1 : 0) + in_layer * s.L : 0) +
                          (step.logit_rows > 1 ? in_head : 0);
  other.overhead_seconds = Real(regions) / step.profile.parallel_regions.per_second;
}

}  // namespace

absl::string_view BoundName(Bound bound) {
  switch (bound) {
    case Bound::kCompute:
      return "compute";
    case Bound::kMemory:
      return "memory";
    case Bound::kOverhead:
      return "overhead";
  }
  return "unknown";
}

Bound ClassTime::bound() const {
  if (overhead_seconds > std::max(compute_seconds, memory_seconds)) return Bound::kOverhead;
  return memory_seconds > compute_seconds ? Bound::kMemory : Bound::kCompute;
}

double StepTime::seconds() const { return Total(class_seconds()); }

ClassSeconds StepTime::class_seconds() const {
  ClassSeconds seconds = {};
  for (size_t c = 0; c < classes.size(); ++c) seconds[c] = classes[c].seconds();
  return seconds;
}

StepTime PredictStep(const MachineProfile& profile, const CostShape& shape,
                     absl::Span<const SpanShape> spans) {
  const Step step = MakeStep(profile, shape, spans);
  StepTime time;
  if (step.tokens == 0) return time;
  AddMatmuls(step, time);
  AddAttention(step, time);
  AddRows(step, time);
  return time;
}

}  // namespace plumbline
