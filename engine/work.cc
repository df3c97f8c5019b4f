#include "engine/work.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace plumbline {

absl::string_view WorkClassName(WorkClass work_class) {
  switch (work_class) {
    case WorkClass::kProjections:
      return "projections";
    case WorkClass::kScores:
      return "scores";
    case WorkClass::kSoftmax:
      return "softmax";
    case WorkClass::kWeightedValues:
      return "weighted values";
    case WorkClass::kFeedForward:
      return "feed-forward";
    case WorkClass::kHead:
      return "head";
    case WorkClass::kOther:
      return "other";
  }
  return "unknown";
}

int64_t Total(const ByteCounts& bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), int64_t{0});
}

double Total(const ClassSeconds& seconds) {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0);
}

int64_t MacCounts::TotalUseful() const { return Total(useful); }

int64_t MacCounts::TotalExecuted() const { return Total(executed); }

MacCounts& MacCounts::operator+=(const MacCounts& other) {
  for (int i = 0; i < kNumWorkClasses; ++i) {
    useful[i] += other.useful[i];
    executed[i] += other.executed[i];
  }
  return *this;
}

void StepWork::Reset(int num_spans) {
  spans.assign(static_cast<size_t>(num_spans), MacCounts());
  bytes = {};
  softmax_pairs = 0;
  seconds = {};
}

void StepWork::AddRows(WorkClass work_class, const StepBatch& batch, int row, int rows,
                       int64_t macs_per_row) {
  if (batch.spans.empty()) return;
  const auto index = static_cast<size_t>(work_class);
  const int end = row + rows;
  // The last span that starts at or before `row`.
  auto span = std::upper_bound(batch.spans.begin(), batch.spans.end(), row,
                               [](int value, const BatchSpan& s) { return value < s.row; });
  if (span != batch.spans.begin()) --span;
  for (; span != batch.spans.end() && span->row < end; ++span) {
    const int64_t shared = std::min(end, span->row + span->count) - std::max(row, span->row);
    if (shared <= 0) continue;
    MacCounts& counts = spans[static_cast<size_t>(span - batch.spans.begin())];
    counts.useful[index] += shared * macs_per_row;
    counts.executed[index] += shared * macs_per_row;
  }
  // Rows past the batch are padding: run, but of no use to anyone.
  const int64_t padding = end - std::max(row, batch.num_tokens());
  if (padding > 0) spans.back().executed[index] += padding * macs_per_row;
}

MacCounts StepWork::TotalMacs() const {
  MacCounts total;
  for (const MacCounts& span : spans) total += span;
  return total;
}

}  // namespace plumbline
