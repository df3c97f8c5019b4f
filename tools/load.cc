#include "tools/load.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/interrupt.h"
#include "tools/load_fidelity.h"
#include "tools/load_files.h"
#include "tools/load_json.h"
#include "tools/load_metrics.h"
#include "tools/load_report.h"
#include "tools/load_run.h"
#include "tools/load_search.h"
#include "tools/load_setup.h"
#include "tools/output.h"
#include "tools/table.h"

namespace plumbline {
namespace {

// The first request that failed for another reason than the load itself.
absl::Status FirstFailure(const LoadRecord& record) {
  for (const RepetitionRecord& repetition : record.repetitions) {
    for (const RequestRecord& request : repetition.requests) {
      if (request.outcome != LoadOutcome::kFailed) continue;
      return absl::InternalError(absl::StrCat("request ", request.id, ": ", request.error));
    }
  }
  return absl::OkStatus();
}

// Tries rates, and leaves the record of the highest one that passed (of the last one, where none
// did) in `*record`.
absl::StatusOr<RateSearch> SearchRate(const LoadOptions& options, const LoadRunOptions& run,
                                      LoadSetup& setup, LoadBackend& backend, LoadRecord* record) {
  const ArrivalSpec first = setup.workload.arrivals;
  RateSearchOptions search;
  search.first_rate = first.rate;
  search.target_share = options.target_share;
  double best = 0;
  const auto probe = [&](double rate) -> absl::StatusOr<double> {
    setup.workload.arrivals = AtRate(first, rate);
    auto repetitions = RunRepetitions(run, setup, backend);
    if (!repetitions.ok()) return repetitions.status();
    if (run.interrupted()) return -1;
    LoadRecord probed = *record;
    probed.repetitions = *std::move(repetitions);
    probed.workload = absl::StrCat(record->workload, "; at ", setup.workload.arrivals.text);
    const LoadRounds rounds = CollectRounds(probed, setup.slo);
    const double share = static_cast<double>(rounds.good) /
                         static_cast<double>(std::max<int64_t>(1, rounds.measured));
    const bool passed = share >= options.target_share;
    if ((passed && rate > best) || best == 0) record->repetitions = std::move(probed.repetitions);
    if (passed) best = std::max(best, rate);
    return share;
  };
  absl::StatusOr<RateSearch> found = FindMaxRate(search, probe);
  if (found.ok() && best > 0) {
    absl::StrAppend(&record->workload, "; shown at ", AtRate(first, best).text);
  }
  return found;
}

absl::Status CheckLoadOptions(const LoadOptions& options, const LoadSetup& setup) {
  if (!options.find_max_rate) return absl::OkStatus();
  if (options.slo.empty()) {
    return absl::InvalidArgumentError("a search for the highest rate needs goals: give --slo");
  }
  if (!setup.workload.arrivals.has_rate() || setup.recorded.has_value()) {
    return absl::InvalidArgumentError(
        "a search for the highest rate needs arrivals that have one: constant, poisson or gamma");
  }
  return absl::OkStatus();
}

// A run, and what it is held against.
struct LoadResult {
  LoadRecord record;
  LoadSlo slo;
  std::optional<RateSearch> search;
  std::optional<LoadFile> real;  // whose anchors a simulation has
  std::string note;              // of what ran it
};

// The run whose anchors a simulation has, beside it. Empty where there is none.
std::string BesideRealRun(const LoadResult& result, const LoadMetrics& metrics) {
  if (!result.real.has_value()) return "";
  const LoadFile& real = *result.real;
  return absl::StrCat(
      "\n",
      FidelityReport(real.record, ComputeMetrics(real.record, real.slo), result.record, metrics),
      result.note.empty() ? "" : WrapText(result.note));
}

absl::StatusOr<LoadResult> RunAnew(const LoadOptions& options, const InterruptScope& interrupt) {
  absl::StatusOr<LoadSetup> setup = PrepareLoad(options);
  if (!setup.ok()) return setup.status();
  if (absl::Status status = CheckLoadOptions(options, *setup); !status.ok()) return status;
  if (absl::Status status = PrepareLoadFiles(options.files); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<LoadBackend>> backend =
      options.simulate ? MakeSimulationBackend(options, *setup)
                       : MakeEngineBackend(options, *setup);
  if (!backend.ok()) return backend.status();
  LoadResult result = {DescribeLoad(options, *setup), setup->slo, std::nullopt, std::nullopt, ""};
  LoadRunOptions run;
  run.repetitions = options.repetitions;
  // Beside a real run: what counts of it, and nothing else.
  if (setup->real.has_value()) run.numbers = SteadyRepetitions(setup->real->record);
  run.warm_up_seconds = options.warm_up_seconds;
  run.interrupted = [&interrupt] { return interrupt.interrupted(); };
  run.priority_levels = options.priority_levels;
  run.deadline_seconds = options.deadline_seconds;
  if (options.find_max_rate) {
    absl::StatusOr<RateSearch> found = SearchRate(options, run, *setup, **backend, &result.record);
    if (!found.ok()) return found.status();
    result.search = *std::move(found);
  } else {
    auto repetitions = RunRepetitions(run, *setup, **backend);
    if (!repetitions.ok()) return repetitions.status();
    result.record.repetitions = *std::move(repetitions);
  }
  result.real = std::move(setup->real);
  result.note = (*backend)->note();
  return result;
}

absl::StatusOr<LoadResult> ReadSavedRun(const LoadOptions& options) {
  absl::StatusOr<LoadFile> file = ReadLoadFile(options.from);
  if (!file.ok()) return file.status();
  LoadResult result = {std::move(file->record), std::move(file->slo), std::nullopt, std::nullopt,
                       ""};
  if (!options.slo.empty()) {
    absl::StatusOr<LoadSlo> slo = ParseSlo(options.slo);
    if (!slo.ok()) return slo.status();
    result.slo = *std::move(slo);
  }
  absl::Status status = PrepareLoadFiles(options.files);
  if (!status.ok()) return status;
  return result;
}

}  // namespace

absl::Status RunLoad(const LoadOptions& options, std::ostream& out) {
  const InterruptScope interrupt;
  const absl::StatusOr<LoadResult> result =
      options.from.empty() ? RunAnew(options, interrupt) : ReadSavedRun(options);
  if (!result.ok()) return result.status();
  const LoadRecord& record = result->record;
  const RateSearch* search = result->search.has_value() ? &*result->search : nullptr;
  const LoadMetrics metrics = ComputeMetrics(record, result->slo);
  const std::string json = LoadJson(record, result->slo, metrics, search);
  const absl::Status written = WriteLoadFiles(options.files, record, result->slo, metrics, json);
  if (options.json) {
    out << json;
  } else {
    if (search != nullptr) out << SearchReport(*search, result->slo, options.target_share);
    out << LoadReport(record, result->slo, metrics) << BesideRealRun(*result, metrics);
  }
  if (absl::Status status = FlushOutput(out); !status.ok()) return status;
  if (!written.ok()) return written;
  if (!options.from.empty()) return absl::OkStatus();
  if (absl::Status status = FirstFailure(record); !status.ok()) return status;
  return interrupt.interrupted() ? absl::CancelledError("interrupted") : absl::OkStatus();
}

}  // namespace plumbline
