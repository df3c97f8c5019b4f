// Runs a load's repetitions on what it drives.
#ifndef PLUMBLINE_TOOLS_LOAD_RUN_H_
#define PLUMBLINE_TOOLS_LOAD_RUN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/machine_profile.h"
#include "tools/load.h"
#include "tools/load_record.h"
#include "tools/load_setup.h"
#include "tools/load_target.h"

namespace plumbline {

// Makes targets, and knows the machine behind them. One thread.
class LoadBackend {
 public:
  virtual ~LoadBackend() = default;
  // A fresh one, for one repetition (by its number); only one lives at a time.
  virtual absl::StatusOr<std::unique_ptr<LoadTarget>> MakeTarget(int64_t repetition,
                                                                 LoadSink& sink) = 0;
  // What the machine does right now; none in virtual time.
  virtual absl::StatusOr<std::optional<Anchors>> MeasureNow() = 0;
  // Whether its first requests are slower than later ones.
  virtual bool needs_warm_up() const = 0;
  // What people should know of how it ran, in a sentence and a line break; often nothing.
  virtual std::string note() const { return ""; }
};

// Loads the model: errors of Model::Load, KvStore::Create and FindMachineProfile. `setup` is not
// owned and must outlive it.
absl::StatusOr<std::unique_ptr<LoadBackend>> MakeEngineBackend(const LoadOptions& options,
                                                               const LoadSetup& setup);
// Loads nothing; needs a machine's profile, or a recorded run. `setup` as above.
absl::StatusOr<std::unique_ptr<LoadBackend>> MakeSimulationBackend(const LoadOptions& options,
                                                                   const LoadSetup& setup);

struct LoadRunOptions {
  int repetitions = 1;
  std::vector<int64_t> numbers;  // not empty: these repetitions instead, once each
  std::optional<double> warm_up_seconds;
  std::function<bool()> interrupted;
  int64_t priority_levels = 1;  // DriveOptions
  double deadline_seconds = 0;
};

// Warms up, and runs the repetitions. Repetitions whose anchors drifted are run again, as many as
// were asked for at most; all are in the record. An interrupt ends it with what there is.
absl::StatusOr<std::vector<RepetitionRecord>> RunRepetitions(const LoadRunOptions& options,
                                                             const LoadSetup& setup,
                                                             LoadBackend& backend);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_RUN_H_
