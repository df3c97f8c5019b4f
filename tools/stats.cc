#include "tools/stats.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tools/resampling.h"

namespace plumbline {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// Standard deviations of a normal per median and per mean absolute deviation.
constexpr double kPerMedianDeviation = 1.4826;
constexpr double kPerMeanDeviation = 1.2533;

std::vector<double> Distances(absl::Span<const double> samples, double from) {
  std::vector<double> distances;
  distances.reserve(samples.size());
  for (const double sample : samples) distances.push_back(std::abs(sample - from));
  return distances;
}

absl::Status CheckPositive(absl::Span<const double> samples) {
  for (const double sample : samples) {
    if (std::isnan(sample) || (std::isfinite(sample) && sample > 0)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("a ratio needs finite samples above zero, and one is ", sample));
  }
  return absl::OkStatus();
}

absl::Status CheckFinite(absl::Span<const double> samples) {
  if (samples.empty()) return absl::InvalidArgumentError("a median needs at least one sample");
  for (const double sample : samples) {
    if (std::isfinite(sample)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("a median needs finite samples, and one is ", sample));
  }
  return absl::OkStatus();
}

}  // namespace

Estimate Estimate::Unknown() { return {kNaN, kNaN, kNaN}; }

double Estimate::RelativeHalfWidth() const { return (high - low) / (2 * std::abs(value)); }

double Median(absl::Span<const double> samples) { return Quantile(samples, 0.5); }

std::vector<double> Taken(absl::Span<const double> samples) {
  std::vector<double> taken;
  taken.reserve(samples.size());
  std::copy_if(samples.begin(), samples.end(), std::back_inserter(taken),
               [](double x) { return !std::isnan(x); });
  return taken;
}

double RobustSpread(absl::Span<const double> samples) {
  return kPerMedianDeviation * Median(Distances(samples, Median(samples)));
}

int64_t CountOutliers(absl::Span<const double> samples, double limit) {
  std::vector<double> finite;
  std::copy_if(samples.begin(), samples.end(), std::back_inserter(finite),
               [](double x) { return std::isfinite(x); });
  int64_t outliers =
      std::count_if(samples.begin(), samples.end(), [](double x) { return std::isinf(x); });
  if (finite.empty()) return outliers;
  const std::vector<double> distances = Distances(finite, Median(finite));
  double spread = kPerMedianDeviation * Median(distances);
  if (spread == 0) {
    spread = kPerMeanDeviation * std::accumulate(distances.begin(), distances.end(), 0.0) /
             static_cast<double>(distances.size());
  }
  outliers += std::count_if(distances.begin(), distances.end(),
                            [&](double distance) { return distance > limit * spread; });
  return outliers;
}

absl::StatusOr<std::vector<Estimate>> BootstrapRounds(int64_t rounds,
                                                      const RoundStatistic& statistic,
                                                      const BootstrapOptions& options) {
  const absl::StatusOr<ResampledFigures> figures = ResampleRounds(rounds, statistic, options);
  if (!figures.ok()) return figures.status();
  const int64_t fewest =
      options.fewest_rounds > 0 ? std::min(options.fewest_rounds, rounds) : rounds;
  std::vector<Estimate> estimates;
  estimates.reserve(figures->values.size());
  for (size_t f = 0; f < figures->values.size(); ++f) {
    estimates.push_back(
        PercentileEstimate(figures->values[f], figures->resampled[f], fewest, options.level));
  }
  return estimates;
}

absl::StatusOr<Estimate> MedianEstimate(absl::Span<const double> samples,
                                        const BootstrapOptions& options) {
  if (const absl::Status valid = CheckFinite(samples); !valid.ok()) return valid;
  std::vector<double> drawn(samples.size());
  const auto median = [&](absl::Span<const int64_t> rounds) {
    for (size_t i = 0; i < rounds.size(); ++i) drawn[i] = samples[rounds[i]];
    return std::vector<double>{QuantileInPlace(drawn, 0.5)};
  };
  const auto estimates = BootstrapRounds(static_cast<int64_t>(samples.size()), median, options);
  if (!estimates.ok()) return estimates.status();
  return estimates->front();
}

absl::StatusOr<Estimate> PairedRatio(absl::Span<const double> numerator,
                                     absl::Span<const double> denominator,
                                     const BootstrapOptions& options) {
  if (numerator.size() != denominator.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a paired ratio needs as many samples above as below, and has ",
                     numerator.size(), " and ", denominator.size()));
  }
  for (const absl::Span<const double> side : {numerator, denominator}) {
    if (const absl::Status valid = CheckPositive(side); !valid.ok()) return valid;
  }
  std::vector<double> ratios;
  for (size_t i = 0; i < numerator.size(); ++i) ratios.push_back(numerator[i] / denominator[i]);
  ratios = Taken(ratios);
  if (ratios.empty()) {
    return absl::InvalidArgumentError("a paired ratio needs a round that measured both sides");
  }
  return MedianEstimate(ratios, options);
}

absl::StatusOr<MedianInterval> ExactMedianInterval(absl::Span<const double> samples, double level) {
  if (const absl::Status valid = CheckFinite(samples); !valid.ok()) return valid;
  if (!(level > 0 && level < 1)) {
    return absl::InvalidArgumentError(absl::StrCat("a level lies between 0 and 1, not at ", level));
  }
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  // The median lies below the k-th sample where fewer than k of n fair coins fall on its low side;
  // k grows while both such tails together leave `level` in the middle.
  const auto n = static_cast<double>(sorted.size());
  const auto exactly = [n](double low_ones) {  // of a binomial with n coins
    return std::exp(std::lgamma(n + 1) - std::lgamma(low_ones + 1) - std::lgamma(n - low_ones + 1) -
                    n * std::log(2.0));
  };
  size_t k = 1;
  double tail = exactly(0);
  for (; 2 * (k + 1) <= sorted.size(); ++k) {
    const double further = tail + exactly(static_cast<double>(k));
    if (2 * further > 1 - level) break;
    tail = further;
  }
  return MedianInterval{{Median(sorted), sorted[k - 1], sorted[sorted.size() - k]},
                        std::max(0.0, 1 - 2 * tail)};
}

RatioVerdict JudgeRatio(const Estimate& second_over_first) {
  if (second_over_first.high < 1) return RatioVerdict::kBetter;
  if (second_over_first.low > 1) return RatioVerdict::kWorse;
  return RatioVerdict::kIndistinguishable;
}

}  // namespace plumbline
