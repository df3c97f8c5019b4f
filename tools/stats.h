// Statistics of timed samples: quantiles, intervals by resampling, ratios, and how much of a set
// of samples is noise.
//
// Samples of a study come in rounds: every round runs each point once, so that a change of the
// machine's speed meets all points alike. What is resampled is therefore a round, for all points
// at once: ratios stay paired, and neighbours in time can be kept together (`block`).
//
// Nothing is dropped: outliers are counted, and medians bear them. Everything is a pure function of
// its arguments (seeds included), and thread-safe. NaN marks a sample that was not taken.
#ifndef PLUMBLINE_TOOLS_STATS_H_
#define PLUMBLINE_TOOLS_STATS_H_

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/quantile.h"

namespace plumbline {

// A figure and the ends of its interval. All three NaN: unknown. Ends may be infinite.
struct Estimate {
  double value;
  double low;
  double high;

  // A figure that is exact, and one that nobody knows.
  static Estimate Exact(double value) { return {value, value, value}; }
  static Estimate Unknown();
  bool known() const { return !std::isnan(value); }
  bool Contains(double x) const { return low <= x && x <= high; }
  // (high - low) / (2 |value|): the interval is value +- this share, if it is symmetric.
  double RelativeHalfWidth() const;
};

// The 0.5 quantile (quantile.h).
double Median(absl::Span<const double> samples);
// The samples that are not NaN.
std::vector<double> Taken(absl::Span<const double> samples);

// 1.4826 times the median distance from the median: the standard deviation where the samples are
// normal, unmoved by less than half of them. NaN as for Quantile.
double RobustSpread(absl::Span<const double> samples);
// Samples further than `limit` robust spreads from the median (Hampel's identifier). Where more
// than half of the samples are equal, the spread is 1.2533 times the mean distance instead
// (Iglewicz and Hoaglin 1993). NaN samples are no outliers; infinite ones are.
int64_t CountOutliers(absl::Span<const double> samples, double limit = 5);

struct BootstrapOptions {
  uint64_t seed = 1;
  int resamples = 1000;
  double level = 0.95;
  // Rounds that stay together: 1 where rounds are independent; more where neighbours in time are
  // alike. Blocks may begin at any round and wrap around (Politis and Romano 1992).
  int64_t block = 1;
  // How many rounds the figure measured least has, if that is fewer than were drawn from: widens
  // the interval accordingly. 0: all rounds.
  int64_t fewest_rounds = 0;
};

// Figures of a resampled study: called with the rounds to use, in any order and with repeats.
using RoundStatistic = std::function<std::vector<double>(absl::Span<const int64_t> rounds)>;

// The figures of all `rounds` rounds, each with its interval: percentiles of the figures over
// resampled rounds. For few rounds the percentiles lie further out, as Student's t lies outside the
// normal (the expanded percentile interval of Hesterberg 2015, section 5.2); under six rounds no
// interval can hold a median at 95%, and what comes back is as wide as the samples allow. The ends
// are NaN, unknown, for a single round and where a figure is NaN in more than one resample of 20.
// InvalidArgument: no rounds, or options out of range (resamples < 20, level not in (0, 1),
// block < 1), or a statistic that changes its number of figures.
absl::StatusOr<std::vector<Estimate>> BootstrapRounds(int64_t rounds,
                                                      const RoundStatistic& statistic,
                                                      const BootstrapOptions& options = {});

// The median with its interval. InvalidArgument: no samples, or one is not finite.
absl::StatusOr<Estimate> MedianEstimate(absl::Span<const double> samples,
                                        const BootstrapOptions& options = {});

// The median over rounds of numerator / denominator, both of the same round. Rounds that miss
// either (NaN) are left out. InvalidArgument: sizes differ, no round has both, or a sample is not
// finite and positive.
absl::StatusOr<Estimate> PairedRatio(absl::Span<const double> numerator,
                                     absl::Span<const double> denominator,
                                     const BootstrapOptions& options = {});

// The median's interval from order statistics alone (exact under any distribution; David and
// Nagaraja 2003, section 7.1): no seed, cheap enough for a loop that decides when to stop.
// `confidence` is what the interval really has: below `level` where there are too few samples.
struct MedianInterval {
  Estimate median;
  double confidence;
};
// InvalidArgument: no samples, one is not finite, or level is not in (0, 1).
absl::StatusOr<MedianInterval> ExactMedianInterval(absl::Span<const double> samples,
                                                   double level = 0.95);

// What a second set of times says beside a first.
enum class RatioVerdict : uint8_t { kBetter, kWorse, kIndistinguishable };
// Of times (or bytes), where less is better: the ratio second / first lies wholly below 1, above 1,
// or on both sides.
RatioVerdict JudgeRatio(const Estimate& second_over_first);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_STATS_H_
