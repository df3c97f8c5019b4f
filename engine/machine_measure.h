// Measures what this machine does: every rate of a MachineProfile, through the engine's own
// kernels.
#ifndef PLUMBLINE_ENGINE_MACHINE_MEASURE_H_
#define PLUMBLINE_ENGINE_MACHINE_MEASURE_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/machine_profile.h"

namespace plumbline {

struct MeasureOptions {
  int threads = 1;
  double seconds = 10;  // to go on for; set-up and three repetitions run in any case
};

struct MachineMeasurement {
  MachineProfile profile;
  int repetitions = 0;
  // The matmul anchor of each repetition in order, to see whether the machine slowed down.
  std::vector<double> matmul_flops_per_second;
};

// Measures everything once per repetition, in turn, so that a slow minute touches all rates alike.
// `progress` gets the fraction done now and then, and ends the work where it returns false.
// Cancelled then; ResourceExhausted for memory (some 2,950 MiB are needed); FailedPrecondition
// where a matmul cannot run. Uses `threads` threads; one call at a time.
absl::StatusOr<MachineMeasurement> MeasureMachine(const MeasureOptions& options,
                                                  absl::FunctionRef<bool(double)> progress);

// Median and (third quartile - first) / median. {0, 0} for no samples.
Rate RateOf(const std::vector<double>& samples);

// One thing to measure: each call of `sample` fills one number per second for each target.
// For measure_*.cc.
struct Measurement {
  std::vector<Rate*> targets;
  std::function<absl::Status(absl::Span<double> rates)> sample;
  // Whether it runs in a crew (crew.h), as forward passes do where the library has no threads of
  // its own.
  bool in_crew = true;
  std::vector<std::vector<double>> samples = {};  // [targets]
  std::vector<size_t> anchors = {};               // of each sample: the anchors taken just before
};

// Sets every target, which lies in *profile, to the median of its samples at the profile's anchors:
// each sample is scaled by what its anchor was then, the mean of the two around it. REQUIRES: every
// measurement has as many indices of anchors as samples of each target, and `anchors` one more than
// the largest.
void SetRates(const std::vector<Measurement>& measurements, const std::vector<Anchors>& anchors,
              MachineProfile* profile);

// Each part sets up what it needs (kept alive by the closures) and appends its measurements, whose
// targets lie in `profile`, which is not to be moved until all is done.
absl::Status AddMatmulMeasurements(int threads, MachineProfile* profile,
                                   std::vector<Measurement>* measurements);
absl::Status AddReadMeasurements(int threads, MachineProfile* profile,
                                 std::vector<Measurement>* measurements);
absl::Status AddAttentionMeasurements(int threads, MachineProfile* profile,
                                      std::vector<Measurement>* measurements);
void AddRowMeasurements(int threads, MachineProfile* profile,
                        std::vector<Measurement>* measurements);

// `units` x repetitions / seconds of calls of `work`, repeated for at least `least_seconds`.
double PerSecond(double units, absl::FunctionRef<void()> work, double least_seconds = 0.002);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MACHINE_MEASURE_H_
