// What a load test's report says, as rows of text: for the terminal and for the page.
#ifndef PLUMBLINE_TOOLS_LOAD_TABLES_H_
#define PLUMBLINE_TOOLS_LOAD_TABLES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tools/load_metrics.h"
#include "tools/load_record.h"

namespace plumbline {

// "-" where it is unknown.
std::string SecondsOrDash(double seconds);
// Times a hundred, where it is a share; "-" where it is unknown.
std::string FigureText(double value, bool percent);

// One distribution of times.
struct LatencyRow {
  std::string label;
  bool part = false;                     // of the row before it that is none
  std::vector<std::string> values;       // mean, the percentiles, the maximum
  std::vector<std::string> half_widths;  // of their intervals; a maximum has none
};
std::vector<LatencyRow> LatencyRows(const LoadMetrics& metrics);

// One rate, or one share.
struct RateRow {
  std::string label;
  std::string value;
  std::string from;  // its interval
  std::string to;
};
std::vector<RateRow> RateRows(const LoadMetrics& metrics);

// Steps of one kind: how many, tokens of each, means of what they took and what was predicted, the
// change from that, and the longest.
struct StepRow {
  std::string label;
  std::vector<std::string> cells;
};
std::vector<StepRow> StepRows(const LoadRecord& record);
// Headings of its cells.
std::vector<std::string> StepColumns(const LoadRecord& record);

// "30 completed, 2 refused, measured after warm-up: 28".
std::string RequestCounts(const LoadRecord& record, const LoadMetrics& metrics);

// The scheduler's settings and the cache, in words.
std::string PolicyText(const LoadRecord& record);
std::string CacheText(const LoadRecord& record);

// What a reader must know before trusting a figure, one sentence each: an interrupt, drift, steps
// that missed their target.
std::vector<std::string> LoadWarnings(const LoadRecord& record, const LoadMetrics& metrics);
// What the intervals are.
std::string IntervalNote(const LoadRecord& record, const LoadMetrics& metrics);

// Instead of their tables, where there are no steps.
inline constexpr absl::string_view kNoSteps = "The target tells no steps.";

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_TABLES_H_
