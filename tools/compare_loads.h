// Two load tests, figure by figure: what is better, worse, or not to be told apart.
//
// Both files are resampled apart: whole repetitions where a file has three or more, else parts of
// the time of each. The intervals hold all together at 95%: with m figures each is one of
// 1 - 0.05 / m (Bonferroni), by Student's t. So two runs of the same configuration differ in any
// figure with a chance of 5%.
//
// One run cannot show how much the next would differ on a machine that others use too. Changes that
// the machine's own speed may explain are therefore not called: its allowance is the change of the
// anchors, and at least kMostDrift where there are no repetitions or no anchors to tell. Where all
// repetitions of a file drifted by more than that, nothing is called at all. What slowed a run down
// between its anchors stays unseen (bench/README.md).
//
// Pure functions; thread-safe.
#ifndef PLUMBLINE_TOOLS_COMPARE_LOADS_H_
#define PLUMBLINE_TOOLS_COMPARE_LOADS_H_

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/load_json.h"
#include "tools/load_record.h"
#include "tools/stats.h"

namespace plumbline {

// kChanged: of a figure of which neither more nor less is better.
enum class CompareVerdict : uint8_t { kBetter, kWorse, kChanged, kIndistinguishable };
// "better", "worse", "changed", "indistinguishable".
const char* CompareVerdictName(CompareVerdict verdict);

struct MetricComparison {
  std::string name;      // as in load_samples.h
  std::string quantile;  // "mean", "p50", ... of a distribution; empty: a figure
  std::string unit;      // "seconds", or the figure's
  int better = 0;        // as in LoadRatio
  double a = 0;          // NaN: unknown
  double b = 0;
  bool relative = false;  // change: B / A - 1; else B - A, in the unit
  Estimate change = Estimate::Unknown();
  double p_value = 1;    // of no change, of this figure alone
  double allowance = 0;  // changes within +- this, in the terms of `change`, are the machine's
  CompareVerdict verdict = CompareVerdict::kIndistinguishable;

  // Whether both runs have the figure, and it has an interval. Else nothing is said of it.
  bool known() const { return !std::isnan(change.low) && !std::isnan(change.high); }
};

// Something that A and B do not have in common.
struct SettingDifference {
  std::string name;
  std::string a;
  std::string b;
  bool warning = false;  // so that figures are not comparable; else it may be what is compared
};

struct RunSummary {
  int64_t repetitions = 0;
  int64_t discarded = 0;  // of them, for their drift
  int64_t rounds = 0;     // that were resampled
  bool whole = false;     // rounds are repetitions
  double most_drift = 0;  // of any repetition
  bool drifted = false;   // all repetitions did, so that none was discarded
  bool interrupted = false;
  int64_t measured = 0;  // requests
};

struct LoadComparison {
  std::vector<MetricComparison> metrics;
  std::vector<SettingDifference> differences;
  RunSummary a;
  RunSummary b;
  double machine_change = 0;  // the allowance, relative; 0 in virtual time
  double level = 0.95;        // of all intervals together
  int64_t tested = 0;         // figures that chance could have moved

  int64_t Count(CompareVerdict verdict) const;               // of known ones; undecided: 0
  bool undecided() const { return a.drifted || b.drifted; }  // nothing is called
  bool different() const;                                    // whether any figure is
};

struct CompareLoadsOptions {
  uint64_t seed = 1;
  int resamples = 400;  // fewer of many samples; REQUIRES: >= 20
};

// InvalidArgument: a file holds no repetition.
absl::StatusOr<LoadComparison> CompareLoads(const LoadFile& a, const LoadFile& b,
                                            const CompareLoadsOptions& options = {});

// What the two do not have in common; warnings first. The salt counts only where one has none.
std::vector<SettingDifference> DifferencesOf(const LoadFile& a, const LoadFile& b);

// How far the machine's speed alone may have moved figures from A to B, as the logarithm of a
// factor: that of the anchors (both ends of all repetitions where parts of their time are
// resampled, means where `whole`). At least log(1 + kMostDrift) unless both are `whole` and have
// anchors; 0 where neither ran on the machine.
double MachineAllowance(const LoadRecord& a, const LoadRecord& b, bool whole);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_COMPARE_LOADS_H_
