// What the intervals of stats.h are made from: seeded draws of rounds, and percentiles of what the
// draws gave.
#ifndef PLUMBLINE_TOOLS_RESAMPLING_H_
#define PLUMBLINE_TOOLS_RESAMPLING_H_

#include <cstdint>
#include <random>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tools/stats.h"

namespace plumbline {

// Draws rounds with replacement, in blocks of neighbours. The same seed gives the same draws on
// every machine: the generator is one that the language defines, and no library distribution is
// used. Not thread-safe.
class RoundSampler {
 public:
  // REQUIRES: rounds >= 1 and options that CheckOptions takes.
  RoundSampler(int64_t rounds, const BootstrapOptions& options);
  // Fills all of `draw` with rounds from [0, rounds).
  void Draw(absl::Span<int64_t> draw);

 private:
  std::mt19937_64 random_;
  int64_t rounds_;
  int64_t block_;
};

// Figures of all rounds, and of each resample.
struct ResampledFigures {
  std::vector<double> values;                  // [figures]
  std::vector<std::vector<double>> resampled;  // [figures][resamples]
};
// What BootstrapRounds takes its intervals from; the errors are its own.
absl::StatusOr<ResampledFigures> ResampleRounds(int64_t rounds, const RoundStatistic& statistic,
                                                const BootstrapOptions& options = {});

// InvalidArgument where BootstrapOptions are out of range; says which.
absl::Status CheckOptions(const BootstrapOptions& options);

// `value` between percentiles of `resampled`, expanded for `rounds` rounds (see BootstrapRounds).
Estimate PercentileEstimate(double value, absl::Span<const double> resampled, int64_t rounds,
                            double level);

// P(T > t) of Student's t, for t >= 0, and the t with P(T > t) = tail. REQUIRES: freedom >= 1, and
// a tail in (0, 0.5).
double StudentUpperTail(double t, int64_t freedom);
double StudentQuantile(double tail, int64_t freedom);

// The share of a normal distribution beyond which the ends of an expanded percentile interval lie:
// Phi(-sqrt(n / (n - 1)) t), t being Student's quantile for n - 1 degrees of freedom. REQUIRES:
// rounds >= 2.
double ExpandedTail(int64_t rounds, double level);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_RESAMPLING_H_
