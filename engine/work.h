// Counters of the work that was really done: the measured column. Bumped where the work happens,
// from the bounds executed; never from cost_model, which is the other column.
#ifndef PLUMBLINE_ENGINE_WORK_H_
#define PLUMBLINE_ENGINE_WORK_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/step_batch.h"

namespace plumbline {

enum class WorkClass : uint8_t {
  kProjections,     // Q, K, V and output matrices
  kScores,          // query-key products; bytes: keys read and written
  kSoftmax,         // exp, sum and divide of the scores: no products, no bytes of its own
  kWeightedValues,  // weights times values; bytes: values read and written
  kFeedForward,
  kHead,
  kOther,  // embedding, norms, RoPE, activations, conversions: bytes and time, no products
};
inline constexpr int kNumWorkClasses = 7;
absl::string_view WorkClassName(WorkClass work_class);

// Multiply-accumulates by class, indexed by WorkClass.
// useful: products that the result needs (causal pairs only).
// executed: products the kernels ran: whole vector groups of keys, masked pairs included.
struct MacCounts {
  std::array<int64_t, kNumWorkClasses> useful = {};
  std::array<int64_t, kNumWorkClasses> executed = {};

  int64_t TotalUseful() const;
  int64_t TotalExecuted() const;
  MacCounts& operator+=(const MacCounts& other);
  bool operator==(const MacCounts&) const = default;
};

// Work is counted in multiply-accumulates; machines' rates in floating-point operations.
inline constexpr double kFlopsPerMac = 2;

using ByteCounts = std::array<int64_t, kNumWorkClasses>;
int64_t Total(const ByteCounts& bytes);

// Wall-clock seconds by class, indexed by WorkClass.
using ClassSeconds = std::array<double, kNumWorkClasses>;
double Total(const ClassSeconds& seconds);

// One step: operations by span; bytes and times for the step as a whole (a weight matrix is read
// once for all spans of a call).
struct StepWork {
  std::vector<MacCounts> spans;  // [num_spans], in the batch's order
  ByteCounts bytes = {};
  // Query-key pairs that went through a softmax, over all heads and layers; D_SOFTMAX_OPS counts
  // three operations for each.
  int64_t softmax_pairs = 0;
  // The wall clock of the forward pass, cut at the ends of its parts: the classes add up to the
  // whole pass. Scores, softmax and weighted values run interleaved in every tile: their share of
  // attention's wall clock is their share of its threads' time (PagedAttention::ticks). The loop
  // that rotates queries and keys also writes K and V: all of its time is in kOther.
  ClassSeconds seconds = {};

  // Zeroes everything for a step of `num_spans` spans.
  void Reset(int num_spans);
  // `rows` consecutive rows, from `row` of the batch, went through a matrix of `macs_per_row`
  // products per row. Rows are attributed to the spans they belong to; rows past the batch are
  // padding, executed by the last span and of no use.
  // REQUIRES: Reset(batch.spans.size()) came before.
  void AddRows(WorkClass work_class, const StepBatch& batch, int row, int rows,
               int64_t macs_per_row);
  MacCounts TotalMacs() const;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_WORK_H_
