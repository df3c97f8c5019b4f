// One loop for real and virtual time: sends requests when their time has come, and lets the target
// work.
#ifndef PLUMBLINE_TOOLS_LOAD_DRIVER_H_
#define PLUMBLINE_TOOLS_LOAD_DRIVER_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "tools/load_record.h"
#include "tools/load_recorder.h"
#include "tools/load_target.h"
#include "tools/load_workload.h"

namespace plumbline {

struct DriveOptions {
  // Whether to stop sending and drain; looked at between steps. May be empty.
  std::function<bool()> interrupted;
  // What is in flight then is let finish for so long, and then cancelled.
  double drain_seconds = 5;
  // Requests' priorities take turns: 0, 1, ... up to one below this.
  int64_t priority_levels = 1;
  double deadline_seconds = 0;  // of each request, after its intended send; 0: none
  // Called between steps. May be empty.
  std::function<void(const LoadRecorder&, double now_seconds)> on_progress;
};

// Makes a fresh target that tells `sink`, and whose clock starts when it is made.
using TargetFactory = std::function<absl::StatusOr<std::unique_ptr<LoadTarget>>(LoadSink& sink)>;

// Sends the whole workload, and returns once everything has ended. A user of a closed loop begins a
// conversation a pause after the end of the former one (the first at once), and each turn of a
// conversation follows the former answer by its pause; a turn that did not complete ends its
// conversation. Errors of the factory and of LoadTarget::Step.
absl::StatusOr<RepetitionRecord> Drive(const LoadWorkload& workload,
                                       const TargetFactory& make_target,
                                       const DriveOptions& options);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_DRIVER_H_
