// `plumbline bench`: speaks the language of llama-bench, and adds what part of the attainable speed
// each test reached, with the bytes and operations of a token.
#ifndef PLUMBLINE_TOOLS_BENCH_H_
#define PLUMBLINE_TOOLS_BENCH_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/bench_cases.h"
#include "tools/bench_measure.h"
#include "tools/bench_samples.h"

namespace plumbline {

struct BenchOptions {
  std::vector<std::string> models;  // none: the toy model
  // Empty lists: 512, 128, 0, 1 (as llama-bench has them) and the cores this process may use.
  // A --pg alone does not empty the others: -p 0 and -n 0 do, there too.
  std::vector<int64_t> prompts;
  std::vector<int64_t> generated;
  std::vector<BenchTest> both;
  std::vector<int64_t> depths;
  std::vector<int64_t> streams;
  std::vector<int64_t> threads;
  std::vector<std::string> weights;    // as numeric_options.h reads them; empty: auto
  std::vector<std::string> kv_dtypes;  // the same
  BenchHow how;
  std::string output = "auto";  // auto, md, json or csv
};

// The setups of every combination, none twice, each with all tests: models outermost, then weights,
// cache and threads. InvalidArgument as MakeBenchTests; errors of ModelOrToy.
absl::StatusOr<std::vector<BenchSetup>> MakeBenchSetups(const BenchOptions& options);

// Runs the setups. Tests that do not fit, whose numeric type this CPU lacks or whose model has a
// fault are left out with the reason. After Ctrl-C `interrupted` is set and what is whole is there.
// Errors of OpenModel and KvGeometry::Validate, found before anything runs.
// `limits`: what the machine's rates are measured with for weights of each dtype.
using BenchLimitSizes = AnchorSizes (*)(WeightDtype dtype);
absl::StatusOr<BenchRun> MeasureBench(const std::vector<BenchSetup>& setups, const BenchHow& how,
                                      BenchLimitSizes limits = &BenchLimits);

// For a terminal, 80 columns; a GitHub table; one line of JSON; RFC 4180.
std::string BenchTable(const BenchRun& run);
std::string BenchMarkdown(const BenchRun& run);
std::string BenchJson(const BenchRun& run);
std::string BenchCsv(const BenchRun& run);

// Results go to `out`. Cancelled after Ctrl-C, and the run's fault, once what there is has been
// printed; DataLoss where `out` cannot be written; errors of the above.
absl::Status RunBench(const BenchOptions& options, bool out_is_terminal, std::ostream& out);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_BENCH_H_
