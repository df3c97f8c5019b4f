#include "tools/load_run.h"

#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "spdlog/spdlog.h"
#include "tools/load_driver.h"
#include "tools/load_metrics.h"
#include "tools/progress.h"
#include "tools/table.h"

namespace plumbline {
namespace {

// "42/100 done, 8 run, 3 wait, 512 tokens/s, cache 45%, p99 gap 31 ms"
std::string LoadProgressText(const LoadRecorder& recorder, int64_t total, double now) {
  std::string text = absl::StrCat(recorder.ended(), "/", total, " done");
  if (const StepRecord* step = recorder.last_step(); step != nullptr) {
    const int64_t blocks = step->blocks_used + step->blocks_free;
    absl::StrAppendFormat(&text, ", %d run, %d wait, %s tokens/s, cache %.0f%%", step->running,
                          step->waiting,
                          FormatSi(std::round(static_cast<double>(recorder.tokens()) / now)),
                          100.0 * static_cast<double>(step->blocks_used) /
                              static_cast<double>(blocks > 0 ? blocks : 1));
  }
  if (const double gap = recorder.RecentP99Gap(); !std::isnan(gap)) {
    absl::StrAppend(&text, ", p99 gap ", FormatSeconds(gap));
  }
  return text;
}

class RepetitionRun {
 public:
  RepetitionRun(const LoadRunOptions& options, const LoadSetup& setup, LoadBackend& backend)
      : options_(options), setup_(setup), backend_(backend) {}

  // A few requests that nobody records, so that everything is compiled and in memory.
  absl::Status WarmUp() {
    LoadSetup few;
    few.workload = setup_.workload;
    few.workload.arrivals = ArrivalSpec();
    few.workload.turns = LengthDistribution();
    few.workload.requests = kWarmUpRequests;
    few.workload.salt = MixSeeds(setup_.workload.salt, 1);
    absl::StatusOr<LengthDistribution> output = LengthDistribution::Parse("4");
    if (!output.ok()) return output.status();
    few.workload.output = *std::move(output);
    const absl::StatusOr<LoadWorkload> workload = WorkloadOf(few, 0);
    if (!workload.ok()) return workload.status();
    return RunOne(*workload, 0, "warming up").status();
  }

  absl::StatusOr<RepetitionRecord> Run(int64_t number) {
    const absl::StatusOr<LoadWorkload> workload = WorkloadOf(setup_, number);
    if (!workload.ok()) return workload.status();
    const auto before = backend_.MeasureNow();
    if (!before.ok()) return before.status();
    spdlog::debug("load: sending {} requests", workload->requests().size());
    absl::StatusOr<RepetitionRecord> repetition =
        RunOne(*workload, number, number == 0 ? "load" : absl::StrCat("load ", number + 1));
    if (!repetition.ok()) return repetition;
    const auto after = backend_.MeasureNow();
    if (!after.ok()) return after.status();
    repetition->anchors_before = *before;
    repetition->anchors_after = *after;
    repetition->warm_up_seconds =
        options_.warm_up_seconds.has_value() ? *options_.warm_up_seconds : FindWarmUp(*repetition);
    return repetition;
  }

 private:
  static constexpr int64_t kWarmUpRequests = 8;

  absl::StatusOr<RepetitionRecord> RunOne(const LoadWorkload& workload, int64_t number,
                                          const std::string& what) {
    const auto total = static_cast<int64_t>(workload.requests().size());
    Progress progress(what, total);
    DriveOptions drive;
    drive.interrupted = options_.interrupted;
    drive.priority_levels = options_.priority_levels;
    drive.deadline_seconds = options_.deadline_seconds;
    drive.on_progress = [&, shown = -1.0](const LoadRecorder& recorder, double now) mutable {
      progress.Set(recorder.ended());
      if (now - shown < kProgressSeconds) return;
      shown = now;
      progress.SetNote(LoadProgressText(recorder, total, now));
    };
    return Drive(
        workload, [&](LoadSink& sink) { return backend_.MakeTarget(number, sink); }, drive);
  }

  static constexpr double kProgressSeconds = 0.2;

  const LoadRunOptions& options_;
  const LoadSetup& setup_;
  LoadBackend& backend_;
};

}  // namespace

absl::StatusOr<std::vector<RepetitionRecord>> RunRepetitions(const LoadRunOptions& options,
                                                             const LoadSetup& setup,
                                                             LoadBackend& backend) {
  RepetitionRun run(options, setup, backend);
  if (backend.needs_warm_up()) {
    if (absl::Status status = run.WarmUp(); !status.ok()) return status;
  }
  std::vector<int64_t> numbers = options.numbers;
  const bool until_steady = numbers.empty();
  if (until_steady) {
    numbers.resize(2 * static_cast<size_t>(options.repetitions));
    std::iota(numbers.begin(), numbers.end(), 0);
  }
  std::vector<RepetitionRecord> repetitions;
  int steady = 0;
  for (const int64_t number : numbers) {
    if (until_steady && steady >= options.repetitions) break;
    if (!repetitions.empty() && options.interrupted && options.interrupted()) break;
    absl::StatusOr<RepetitionRecord> repetition = run.Run(number);
    if (!repetition.ok()) return repetition.status();
    if (AnchorDrift(*repetition) <= kMostDrift) ++steady;
    repetitions.push_back(*std::move(repetition));
  }
  return repetitions;
}

}  // namespace plumbline
