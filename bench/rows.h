// The rows of bench/README.md: each holds a path of the engine against what bounds it, in one run.
#ifndef PLUMBLINE_BENCH_ROWS_H_
#define PLUMBLINE_BENCH_ROWS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/bench_samples.h"

namespace plumbline {

struct RowOptions {
  int threads = 1;
  int repetitions = 9;
  // The GGUF file of the rows that load one. Empty: synthetic:tinyllama-1.1b in bf16 is written to
  // the folder for temporary files, and removed.
  std::string file;
};

// One case of a row.
struct RowFigure {
  std::string what;
  std::string limit;     // with its unit; medians
  std::string measured;  // the same
  BenchSpread ratio;     // of measured to limit, repetition by repetition
  std::string target;    // of the ratio
};

// Called with each case as soon as it is measured.
using RowSink = std::function<void(const RowFigure&)>;

struct BenchRow {
  const char* name;
  const char* what;
  // Errors of opening, loading and running; FailedPrecondition where this CPU lacks the dtype.
  absl::Status (*run)(const RowOptions& options, const RowSink& sink);
};
const std::vector<BenchRow>& BenchRows();

// What is measured and what bounds it, in turn: each repetition lies between two of the limit, and
// its ratio is to their mean.
struct BetweenLimits {
  std::vector<double> limits, measured, ratios;
};
using RateSample = absl::FunctionRef<absl::StatusOr<double>()>;
// Errors of either.
absl::StatusOr<BetweenLimits> MeasureBetween(int repetitions, RateSample measured,
                                             RateSample limit);

// limit_rows.cc: packed matrices alone, and memory.
absl::Status MatmulRow(const RowOptions& options, const RowSink& sink);
absl::Status ReadRow(const RowOptions& options, const RowSink& sink);

// step_rows.cc: steps of a loaded model.
absl::Status PrefillRow(const RowOptions& options, const RowSink& sink);
absl::Status PrefillDeepRow(const RowOptions& options, const RowSink& sink);
absl::Status DecodeRow(const RowOptions& options, const RowSink& sink);
absl::Status DecodeManyRow(const RowOptions& options, const RowSink& sink);
absl::Status DecodeDeepRow(const RowOptions& options, const RowSink& sink);
absl::Status PagedRow(const RowOptions& options, const RowSink& sink);
absl::Status OtherRow(const RowOptions& options, const RowSink& sink);

// process_rows.cc: a process of its own for each repetition.
absl::Status LoadRow(const RowOptions& options, const RowSink& sink);
absl::Status MemoryRow(const RowOptions& options, const RowSink& sink);
// What such a process does: loads `file`, feeds it a prompt of `prompt` tokens and decodes a few
// more, and prints when the first token was there and what it held.
absl::Status RunRowChild(const std::string& file, int threads, int64_t prompt);

}  // namespace plumbline

#endif  // PLUMBLINE_BENCH_ROWS_H_
