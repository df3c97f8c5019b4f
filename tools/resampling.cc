#include "tools/resampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace plumbline {
namespace {

double NormalCdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

}  // namespace

RoundSampler::RoundSampler(int64_t rounds, const BootstrapOptions& options)
    : random_(options.seed), rounds_(rounds), block_(std::min(options.block, rounds)) {}

void RoundSampler::Draw(absl::Span<int64_t> draw) {
  for (size_t i = 0; i < draw.size();) {
    // The remainder's bias is below rounds / 2^64.
    auto round = static_cast<int64_t>(random_() % static_cast<uint64_t>(rounds_));
    for (int64_t k = 0; k < block_ && i < draw.size(); ++k, ++i) {
      draw[i] = round;
      round = round + 1 == rounds_ ? 0 : round + 1;
    }
  }
}

absl::StatusOr<ResampledFigures> ResampleRounds(int64_t rounds, const RoundStatistic& statistic,
                                                const BootstrapOptions& options) {
  if (rounds < 1) return absl::InvalidArgumentError("an interval needs at least one round");
  if (const absl::Status valid = CheckOptions(options); !valid.ok()) return valid;
  std::vector<int64_t> draw(rounds);
  std::iota(draw.begin(), draw.end(), 0);
  ResampledFigures result;
  result.values = statistic(draw);
  result.resampled.resize(result.values.size());
  RoundSampler sampler(rounds, options);
  for (int i = 0; i < options.resamples; ++i) {
    sampler.Draw(absl::MakeSpan(draw));
    const std::vector<double> figures = statistic(draw);
    if (figures.size() != result.values.size()) {
      return absl::InvalidArgumentError(absl::StrCat("a statistic gave ", figures.size(),
                                                     " figures and ", result.values.size(),
                                                     " before: it must always give the same ones"));
    }
    for (size_t f = 0; f < figures.size(); ++f) result.resampled[f].push_back(figures[f]);
  }
  return result;
}

absl::Status CheckOptions(const BootstrapOptions& options) {
  if (options.resamples < 20) {
    return absl::InvalidArgumentError(absl::StrCat("an interval needs at least 20 resamples, and ",
                                                   options.resamples, " were asked for"));
  }
  if (!(options.level > 0 && options.level < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a level lies between 0 and 1, not at ", options.level));
  }
  if (options.block < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a block has at least one round, not ", options.block));
  }
  return absl::OkStatus();
}

// The finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4.
double StudentUpperTail(double t, int64_t freedom) {
  const double angle = std::atan(t / std::sqrt(static_cast<double>(freedom)));
  const double cos2 = std::cos(angle) * std::cos(angle);
  const bool odd = freedom % 2 == 1;
  double sum = 0;
  double term = odd ? std::cos(angle) : 1;
  for (int64_t k = odd ? 1 : 0; k <= freedom - 2; k += 2) {
    sum += term;
    term *= cos2 * static_cast<double>(k + 1) / static_cast<double>(k + 2);
  }
  double inside = std::sin(angle) * sum;  // P(|T| < t)
  if (odd) inside = 2 / M_PI * (angle + inside);
  return (1 - inside) / 2;
}

// By bisection: exact to the last bits, and called once per interval.
double StudentQuantile(double tail, int64_t freedom) {
  double low = 0;
  double high = 1;
  while (StudentUpperTail(high, freedom) > tail && high < 1e9) high *= 2;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (StudentUpperTail(middle, freedom) > tail ? low : high) = middle;
  }
  return high;
}

double ExpandedTail(int64_t rounds, double level) {
  const double tail = (1 - level) / 2;
  // From some thousand rounds on the expansion is below the noise of the resamples.
  if (rounds > 5000) return tail;
  const auto n = static_cast<double>(rounds);
  return NormalCdf(-std::sqrt(n / (n - 1)) * StudentQuantile(tail, rounds - 1));
}

Estimate PercentileEstimate(double value, absl::Span<const double> resampled, int64_t rounds,
                            double level) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> taken = Taken(resampled);
  if (std::isnan(value)) return Estimate::Unknown();
  if (rounds < 2 || 20 * (resampled.size() - taken.size()) > resampled.size()) {
    return {value, kNaN, kNaN};
  }
  const double tail = ExpandedTail(rounds, level);
  return {value, Quantile(taken, tail), Quantile(taken, 1 - tail)};
}

}  // namespace plumbline
