#include "tools/calibrate.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "engine/cgroup.h"
#include "engine/machine.h"
#include "engine/quantile.h"
#include "tools/interrupt.h"
#include "tools/machine_file.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/validate.h"

namespace plumbline {
namespace {

constexpr double kNoisySpread = 0.1;    // the median over all rates
constexpr double kThrottledFall = 0.1;  // of the matmul anchor, from first to last third
constexpr double kMuchSteal = 0.02;
constexpr int kFewRepetitions = 5;
constexpr int64_t kProgressParts = 1000;

// The CPUs' clock ticks so far, and those that were stolen of them.
struct CpuTicks {
  double all = 0;
  double stolen = 0;
};

CpuTicks ReadCpuTicks() {
  constexpr size_t kUsed = 8;  // user nice system idle iowait irq softirq steal
  const std::string text = ReadSmallFile("/proc/stat");
  const std::vector<absl::string_view> words =
      absl::StrSplit(absl::string_view(text).substr(0, text.find('\n')), ' ', absl::SkipEmpty());
  CpuTicks ticks;
  for (size_t i = 1; i <= kUsed && i < words.size(); ++i) {
    double value = 0;
    if (!absl::SimpleAtod(words[i], &value)) return {};
    ticks.all += value;
    if (i == kUsed) ticks.stolen = value;
  }
  return ticks;
}

std::vector<const Rate*> AllRates(const MachineProfile& profile) {
  std::vector<const Rate*> rates = {&profile.matmul_calls, &profile.parallel_regions};
  for (const MatmulRates& m : profile.matmuls) {
    rates.insert(rates.end(), {&m.narrow_macs, &m.square_macs, &m.wide_macs, &m.streamed_bytes});
  }
  for (const ReadRate& r : profile.reads) rates.push_back(&r.read_bytes);
  for (const AttentionRates& a : profile.attention) {
    rates.insert(rates.end(), {&a.score_macs, &a.value_macs, &a.softmax_pairs});
  }
  return rates;
}

double FallOf(const std::vector<double>& rates) {
  const size_t third = rates.size() / 3;
  if (third == 0) return 0;
  const absl::Span<const double> all(rates);
  const double first = Quantile(all.first(third), 0.5);
  const double last = Quantile(all.last(third), 0.5);
  return 1 - last / first;
}

absl::Status Printed(const std::string& text, std::ostream& out) {
  out << text;
  return FlushOutput(out);
}

absl::Status MeasureAndWrite(const CalibrateOptions& options, int threads, const std::string& path,
                             std::ostream& out) {
  MachineConditions conditions;
  conditions.threads = threads;
  conditions.online_cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  conditions.allowed_cpus = static_cast<int>(std::thread::hardware_concurrency());
  const double quota = ReadCgroupLimits("").cpus;
  if (std::isfinite(quota)) conditions.quota_cpus = quota;
  const CpuTicks before = ReadCpuTicks();
  Progress progress("calibrating", kProgressParts);
  const InterruptScope interrupt;
  const auto measurement = MeasureMachine({threads, options.seconds}, [&](double fraction) {
    progress.Set(static_cast<int64_t>(fraction * kProgressParts));
    return !interrupt.interrupted();
  });
  progress.Stop();
  if (!measurement.ok()) return measurement.status();
  const CpuTicks after = ReadCpuTicks();
  if (after.all > before.all) {
    conditions.steal_share = (after.stolen - before.stolen) / (after.all - before.all);
  }
  absl::Status status = SaveMachineProfile(measurement->profile, path);
  if (!status.ok()) return status;
  const std::vector<std::string> warnings = CalibrationWarnings(*measurement, conditions);
  return Printed(options.json ? CalibrateJson(*measurement, warnings, path)
                              : CalibrateReport(*measurement, warnings, path),
                 out);
}

absl::Status Validate(const CalibrateOptions& options, int threads, const std::string& path,
                      std::ostream& out) {
  const auto profile = LoadMachineProfile(path, threads);
  if (!profile.ok()) return profile.status();
  ValidateOptions validate;
  validate.threads = threads;
  validate.quick = options.quick;
  validate.only = options.only;
  Progress progress("validating", kProgressParts);
  const InterruptScope interrupt;
  const auto run =
      RunValidation(validate, *profile, [&](double fraction, const std::string& /*what*/) {
        progress.Set(static_cast<int64_t>(fraction * kProgressParts));
        return !interrupt.interrupted();
      });
  progress.Stop();
  if (!run.ok()) return run.status();
  absl::Status status = Printed(options.json ? ValidateJson(*run) : ValidateReport(*run), out);
  if (status.ok() && run->interrupted) return absl::CancelledError("interrupted");
  return status;
}

}  // namespace

std::vector<std::string> CalibrationWarnings(const MachineMeasurement& measurement,
                                             const MachineConditions& conditions) {
  std::vector<std::string> warnings;
  if (measurement.repetitions < kFewRepetitions) {
    warnings.push_back(absl::StrCat("only ", measurement.repetitions,
                                    " repetitions: the machine is busy, or --seconds too few"));
  }
  std::vector<double> spreads;
  for (const Rate* rate : AllRates(measurement.profile)) spreads.push_back(rate->spread);
  if (const double spread = Quantile(spreads, 0.5); spread > kNoisySpread) {
    warnings.push_back(absl::StrFormat(
        "noisy: half of the rates spread by more than %.0f%% from repetition to repetition; "
        "something else runs here, or beside this virtual machine",
        100 * spread));
  }
  if (const double fall = FallOf(measurement.matmul_flops_per_second); fall > kThrottledFall) {
    warnings.push_back(
        absl::StrFormat("throttled: the matmul rate fell by %.0f%% while measuring", 100 * fall));
  }
  if (conditions.steal_share > kMuchSteal) {
    warnings.push_back(absl::StrFormat("the hypervisor gave %.0f%% of the CPUs' time to others",
                                       100 * conditions.steal_share));
  }
  if (conditions.quota_cpus >= 0 && conditions.quota_cpus < conditions.threads) {
    warnings.push_back(
        absl::StrFormat("a cgroup allows %.2g CPUs, and %d threads run: raise the "
                        "quota or lower --threads",
                        conditions.quota_cpus, conditions.threads));
  }
  if (conditions.allowed_cpus < conditions.online_cpus) {
    warnings.push_back(absl::StrCat("affinity allows ", conditions.allowed_cpus, " of ",
                                    conditions.online_cpus, " CPUs"));
  }
  if (conditions.threads > conditions.allowed_cpus) {
    warnings.push_back(absl::StrCat(conditions.threads, " threads share ", conditions.allowed_cpus,
                                    " CPUs: lower --threads"));
  }
  return warnings;
}

absl::Status RunCalibrate(const CalibrateOptions& options, std::ostream& out) {
  const int threads = options.threads > 0 ? options.threads : DetectMachine().cores;
  std::string path = options.output;
  if (path.empty()) {
    absl::StatusOr<std::string> usual = DefaultMachinePath(threads);
    if (!usual.ok()) return usual.status();
    path = *std::move(usual);
  }
  return options.validate ? Validate(options, threads, path, out)
                          : MeasureAndWrite(options, threads, path, out);
}

}  // namespace plumbline
