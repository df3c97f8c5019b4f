// A simulation beside the real run that it stands for: how far off it is, and whether that keeps
// the targets.
#ifndef PLUMBLINE_TOOLS_LOAD_FIDELITY_H_
#define PLUMBLINE_TOOLS_LOAD_FIDELITY_H_

#include <string>
#include <vector>

#include "tools/load_metrics.h"
#include "tools/load_record.h"

namespace plumbline {

// Of the simulated figure, over the real one.
inline constexpr double kFidelityTarget = 0.15;
// Of the time to the first token near capacity, where a queue makes much of small errors.
inline constexpr double kFidelityBusyTarget = 0.30;

struct FidelityRow {
  std::string label;
  bool seconds = true;       // else a rate
  bool first_token = false;  // its target depends on the load
  double real = 0;           // NaN: unknown
  double simulated = 0;

  // simulated / real - 1; NaN where either is unknown or the real one is 0.
  double error() const;
  // "met", "missed" or "-" (unknown); of a first token that keeps the looser target alone "met at
  // 80%".
  std::string verdict() const;
};

// Throughput, the gap between tokens (p50, p99) and the time to the first token (p50, mean).
std::vector<FidelityRow> FidelityRows(const LoadMetrics& real, const LoadMetrics& simulated);

// The rows as a table at 80 columns; instead of it what differs, where the two are not of one
// workload on one model.
std::string FidelityReport(const LoadRecord& real_record, const LoadMetrics& real,
                           const LoadRecord& simulated_record, const LoadMetrics& simulated);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_FIDELITY_H_
