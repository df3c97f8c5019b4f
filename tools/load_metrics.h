// Every figure of a load test, with its interval, derived from its record.
#ifndef PLUMBLINE_TOOLS_LOAD_METRICS_H_
#define PLUMBLINE_TOOLS_LOAD_METRICS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tools/load_record.h"
#include "tools/load_samples.h"
#include "tools/load_slo.h"
#include "tools/stats.h"

namespace plumbline {

// A percentile needs so many samples beyond it; with fewer it is unknown, and prints as "-".
inline constexpr double kLeastBeyond = 10;

inline constexpr std::array<double, 4> kLoadPercentiles = {0.50, 0.90, 0.95, 0.99};

struct LoadDistribution {
  std::string name;
  int64_t samples = 0;
  // Seconds. Unknown where there are too few samples.
  Estimate mean = Estimate::Unknown();
  std::array<Estimate, 4> percentiles = {Estimate::Unknown(), Estimate::Unknown(),
                                         Estimate::Unknown(), Estimate::Unknown()};
  double max = 0;  // of the samples; no interval can hold a maximum
};

struct LoadFigure {
  std::string name;
  std::string unit;
  int better = 0;  // as in LoadRatio
  Estimate value = Estimate::Unknown();
};

struct LoadMetrics {
  std::vector<LoadDistribution> distributions;
  std::vector<LoadFigure> figures;
  LoadRounds rounds;  // counts; the samples were moved out

  // REQUIRES: the name is one of CollectRounds.
  const LoadDistribution& Distribution(absl::string_view name) const;
  const LoadFigure& Figure(absl::string_view name) const;
};

// The sample's percentile that `share` of the resampled samples lie below (quantile.h), where each
// of its rounds counts `weights[round]` times. `order` sorts samples.values. NaN where none counts.
// Shares ascend.
std::vector<double> WeightedQuantiles(const LoadSamples& samples, absl::Span<const size_t> order,
                                      absl::Span<const int64_t> weights,
                                      absl::Span<const double> shares);

// For BootstrapRounds. Of samples: kLoadPercentiles, then the mean; of a ratio: its value. NaN
// where nothing counts. The arguments must outlive what is returned.
RoundStatistic FiguresOfSamples(const LoadSamples& samples, int64_t rounds);
RoundStatistic FigureOfRatio(const LoadRatio& ratio);
// Whether so many samples suffice for that percentile.
bool KnowsPercentile(int64_t samples, double share);

// Intervals resample rounds (see LoadRounds); the same seed gives the same intervals.
LoadMetrics ComputeMetrics(const LoadRecord& record, const LoadSlo& slo, uint64_t seed = 1);

// When the number of running requests has become stable, by the rule of steadiness.h over 40 equal
// parts of the time of sending; at most half of that time, and 0 where few requests were sent or
// all at once.
double FindWarmUp(const RepetitionRecord& repetition);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_METRICS_H_
