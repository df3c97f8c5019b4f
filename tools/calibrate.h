// `plumbline calibrate`: measures this machine, and with --validate how well steps' times are
// predicted from that.
#ifndef PLUMBLINE_TOOLS_CALIBRATE_H_
#define PLUMBLINE_TOOLS_CALIBRATE_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/machine_measure.h"

namespace plumbline {

struct CalibrateOptions {
  int threads = 0;      // 0: all cores this process may use
  double seconds = 10;  // of measuring
  std::string output;   // empty: the default path
  bool json = false;
  bool validate = false;  // predict steps from the profile at `output` instead of measuring one
  bool quick = false;     // with validate: the small grid
  std::string only;       // with validate: the points whose names contain this
};

// What may have spoiled a measurement.
struct MachineConditions {
  int threads = 0;
  int online_cpus = 0;
  int allowed_cpus = 0;    // by affinity
  double quota_cpus = -1;  // of the tightest cgroup; -1: none
  double steal_share = 0;  // of the CPUs' time that the hypervisor gave to others meanwhile
};

// Plain sentences, one for each thing that is wrong: noise, throttling, stolen time, quota,
// affinity, too many threads. Empty: nothing is.
std::vector<std::string> CalibrationWarnings(const MachineMeasurement& measurement,
                                             const MachineConditions& conditions);

// What `plumbline calibrate` prints: tables of at most 80 columns, then the warnings, then `path`.
std::string CalibrateReport(const MachineMeasurement& measurement,
                            const std::vector<std::string>& warnings, const std::string& path);
// The profile's JSON on one line, with "repetitions", "warnings" and "path".
std::string CalibrateJson(const MachineMeasurement& measurement,
                          const std::vector<std::string>& warnings, const std::string& path);

// Results go to `out`. Cancelled after Ctrl-C: a profile that is not whole is not written, points
// of a validation that are there are printed. DataLoss where `out` can't be written; errors of
// MeasureMachine, SaveMachineProfile, LoadMachineProfile and RunValidation.
absl::Status RunCalibrate(const CalibrateOptions& options, std::ostream& out);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CALIBRATE_H_
