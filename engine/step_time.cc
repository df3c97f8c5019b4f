#include "engine/step_time.h"

#include <algorithm>

#include "engine/cutting.h"
#include "engine/pass_threads.h"
#include "engine/result_block.h"
#include "engine/rounding.h"
#include "engine/step_time_parts.h"

namespace plumbline {
namespace {

using step_time::Real;
using step_time::Step;

Step MakeStep(const MachineProfile& profile, const CostShape& shape,
              absl::Span<const SpanShape> spans) {
  CostShape as_there = shape;
  as_there.SetForms(profile.bf16_unit);
  Step step = {profile, RateTables(profile), as_there, spans};
  int64_t macs = 0;  // of all layers
  for (const SpanShape& span : spans) {
    const MacCounts of_span = SpanMacs(shape, span);
    macs += of_span.TotalUseful() - of_span.useful[cutting::Index(WorkClass::kHead)];
    step.tokens += span.count;
    step.logit_rows += span.logit_rows;
    step.cache_bytes += Real(KvUsedBytes(shape, span.first + span.count));
  }
  step.threads = PassThreads(macs / shape.L, profile.threads);
  step.weight_bytes =
      Real(WeightBytes(shape) - (step.logit_rows > 0 ? 0 : shape.matrix_bytes(shape.V, shape.d)));
  return step;
}

// What a call executes for so many rows: whole strips where it runs in tiles. Fewer than a strip
// have a cost of their own.
int64_t ExecutedRows(const Step& step, int64_t rows) {
  const bool in_tiles =
      step.profile.bf16_unit == Bf16Unit::kTiles && step.shape.weight_dtype != WeightDtype::kF32;
  if (!in_tiles || rows <= cutting::kStripRows) return rows;
  return CeilDiv(rows, cutting::kStripRows) * cutting::kStripRows;
}

// `count` calls, one after the other on different matrices, of `rows` rows each. Where weights
// come from memory a call takes what streaming them takes at that many rows; the part that does
// not bound it is what it would take alone.
void AddCalls(const Step& step, double count, int64_t rows, int64_t outputs, int64_t inputs,
              double memory_share, ClassTime& time) {
  const MatmulCost cost = step.tables.Matmul(step.shape.weight_dtype, rows);
  const double macs = Real(rows) * Real(outputs) * Real(inputs);
  const double bytes = Real(step.shape.matrix_bytes(outputs, inputs));
  const double outs = Real(rows) * Real(outputs);
  const double ins = Real(rows) * Real(inputs);
  const double hot =
      (macs * cost.mac_seconds + outs * cost.output_seconds + ins * cost.input_seconds) *
      step.profile.threads / step.threads;
  const double streamed = bytes * cost.streamed_byte_seconds +
                          (outs - macs / Real(kStreamedMatrix.inputs)) * cost.output_seconds +
                          (ins - macs / Real(kStreamedMatrix.outputs)) * cost.input_seconds;
  const double seconds = hot + memory_share * std::max(0.0, streamed - hot);
  const double memory = memory_share * bytes * cost.row_byte_seconds;
  const bool by_memory = memory > hot;
  time.compute_seconds += count * (by_memory ? hot : seconds);
  time.memory_seconds += count * (by_memory ? seconds : std::min(memory, seconds));
  time.overhead_seconds += step.Handed(count) / step.profile.matmul_calls.per_second;
}

// `count` matrices of one shape, each multiplied with `rows` rows by the calls of matmul.h. Only
// the first call on a matrix finds it as the last step left it.
void AddMatrices(const Step& step, double count, int64_t rows, int64_t outputs, int64_t inputs,
                 ClassTime& time) {
  double share = step.tables.MemoryShare(step.working_set_bytes());
  const double again = step.tables.MemoryShare(Real(step.shape.matrix_bytes(outputs, inputs)));
  while (rows > 0) {
    const int64_t call = NextCallRows(step.shape, rows);
    AddCalls(step, count, ExecutedRows(step, call), outputs, inputs, share, time);
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

// Groups of keys that a span's tokens are written to. Each block begins a group.
int64_t KeyGroups(const CostShape& s, const SpanShape& span) {
  const int64_t in_block = CeilDiv(s.block_tokens, cutting::kKeyGroup);
  const int64_t end = span.first + span.count;
  const int64_t before =
      span.first / s.block_tokens * in_block + span.first % s.block_tokens / cutting::kKeyGroup;
  return end / s.block_tokens * in_block + CeilDiv(end % s.block_tokens, cutting::kKeyGroup) -
         before;
}

// Seconds that one thread takes to write one token's keys and values to one layer, on average.
// A key is written across its group of keys: each element to a line of its own, which the group's
// other tokens share. Lines that no token of this step had before come from memory.
double WriteSeconds(const Step& step) {
  const CostShape& s = step.shape;
  int64_t groups = 0;
  for (const SpanShape& span : step.spans) groups += KeyGroups(s, span);
  const double fresh = std::min(1.0, Real(groups) / Real(std::max<int64_t>(1, step.tokens)));
  const double cold = fresh * step.tables.MemoryShare(step.working_set_bytes());
  const CacheRates& rates = step.tables.Cache(s.cache_dtype);
  const double element = (1 - cold) / rates.hot_write_elements.per_second +
                         cold / rates.cold_write_elements.per_second;
  return Real(2 * s.g * s.e) * element;
}

// What threads do with results in the midst of a product: meanwhile no weights come in, either.
// Results are finished, added and activated there (PackedMatrix::RunInto); putting them in their
// place is in the product's rate.
void AddWithin(double seconds, ClassTime& time) {
  time.compute_seconds += seconds;
  time.memory_seconds += seconds;
}

// Seconds that one thread takes for one row of a layer: between products, and with their results.
struct RowSeconds {
  double norm = 0;  // one of those between products
  double pass = 0;  // of an element: sums of whole numbers become floats; 0 where there are none
  double between = 0;
  double after_projections = 0;
  double after_feed_forward = 0;
};

// Whether heads are rotated and written to the cache in the blocks, too.
bool HeadsInBlocks(const CostShape& shape) { return kResultOutputs % shape.e == 0; }

RowSeconds SecondsOfRow(const Step& step) {
  const CostShape& s = step.shape;
  const RowRates& rates = step.profile.rows;
  const bool gpt2 = s.m == 2;  // layer norms and GELU; RMS norms and SwiGLU otherwise
  const double norm = Real(s.d) / (gpt2 ? rates.layer_norm : rates.rms_norm).per_second;
  const double active = Real(s.F) / (gpt2 ? rates.gelu : rates.swiglu).per_second;
  const bool rotated = s.embedding_elements == s.d;
  const double rotate = rotated ? Real((s.h + s.g) * s.e) / rates.rotate.per_second : 0;
  // Sums become floats in one pass, and rows 8-bit numbers in two: each moves as many elements as
  // widening does.
  const double pass = IsWhole(s.weight_dtype) ? 1 / rates.widen.per_second : 0;
  const double quantised = Real(2 * s.d + s.h * s.e + s.F);
  const double heads = rotate + WriteSeconds(step);
  const bool in_blocks = HeadsInBlocks(s);
  return {norm, pass, 2 * norm + (in_blocks ? 0 : heads) + pass * 2 * quantised,
          (in_blocks ? heads : 0) + pass * Real((s.h + 2 * s.g) * s.e + s.d),
          active + pass * Real((s.m - 1) * s.F + s.d)};
}

// Of one row of a layer: what passes through the caches between products.
double RowBytes(const CostShape& s) {
  int64_t bytes = 2 * s.d * (4 + s.activation_bytes());
  if (!HeadsInBlocks(s)) bytes += (s.h + 2 * s.g) * s.e * 8;
  if (IsWhole(s.weight_dtype)) bytes += (s.h * s.e + s.F) * (8 + s.activation_bytes());
  return Real(bytes);
}

void AddRows(const Step& step, StepTime& time) {
  const CostShape& s = step.shape;
  const RowRates& rates = step.profile.rows;
  ClassTime& other = step.Class(time, WorkClass::kOther);
  const bool rotated = s.embedding_elements == s.d;
  const double once = Real(s.embedding_elements) / rates.widen.per_second +
                      (rotated ? Real(s.e / 2) / rates.angles.per_second : 0);
  const double rows = Real(CeilDiv(step.tokens, step.threads));
  const double logit_rows = Real(CeilDiv(step.logit_rows, step.threads));
  const RowSeconds row = SecondsOfRow(step);
  AddWithin(rows * Real(s.L) * row.after_projections, step.Class(time, WorkClass::kProjections));
  AddWithin(rows * Real(s.L) * row.after_feed_forward, step.Class(time, WorkClass::kFeedForward));
  AddWithin(logit_rows * row.pass * Real(s.V), step.Class(time, WorkClass::kHead));
  other.compute_seconds =
      rows * (once + Real(s.L) * row.between) + logit_rows * (row.norm + row.pass * Real(2 * s.d));
  // Where the rows' elements are too many for the caches.
  const double layer_bytes = RowBytes(s) * Real(step.tokens);
  other.memory_seconds = Real(s.L) * layer_bytes * step.tables.ReadByteSeconds(layer_bytes);
  // Norms; heads, where they are not whole in blocks; rows made of whole numbers.
  const int64_t in_layer = 2 + (HeadsInBlocks(s) ? 0 : 1) + (IsWhole(s.weight_dtype) ? 2 : 0);
  const int64_t regions = (step.tokens > 1 ? 1 + (rotated ? 1 : 0) + in_layer * s.L : 0) +
                          (step.logit_rows > 1 ? 1 : 0);
  other.overhead_seconds = step.Handed(Real(regions)) / step.profile.parallel_regions.per_second;
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
  step_time::AddAttention(step, time);
  AddRows(step, time);
  return time;
}

double PredictSampling(const MachineProfile& profile, const CostShape& shape,
                       absl::Span<const SpanShape> spans) {
  int64_t rows = 0;
  for (const SpanShape& span : spans) rows += span.logit_rows;
  return Real(rows * shape.V) / profile.rows.largest.per_second;
}

}  // namespace plumbline
