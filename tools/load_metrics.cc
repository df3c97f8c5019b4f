#include "tools/load_metrics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "tools/steadiness.h"

namespace plumbline {
namespace {

constexpr double kNoLoadFigure = std::numeric_limits<double>::quiet_NaN();

// How often each round was drawn.
std::vector<int64_t> RoundWeights(absl::Span<const int64_t> drawn, int64_t rounds) {
  std::vector<int64_t> weights(static_cast<size_t>(rounds), 0);
  for (const int64_t round : drawn) ++weights[static_cast<size_t>(round)];
  return weights;
}

// Fewer resamples of many samples: their cost is one walk each.
int ResamplesFor(size_t samples) {
  constexpr double kSteps = 1e8;
  return static_cast<int>(std::clamp(kSteps / (static_cast<double>(samples) + 1), 100.0, 1000.0));
}

BootstrapOptions LoadBootstrap(uint64_t seed, size_t samples) {
  BootstrapOptions options;
  options.seed = seed;
  options.resamples = ResamplesFor(samples);
  return options;
}

double WeightedMean(const LoadSamples& samples, absl::Span<const int64_t> weights) {
  double sum = 0;
  double count = 0;
  for (size_t i = 0; i < samples.values.size(); ++i) {
    const auto weight = static_cast<double>(weights[static_cast<size_t>(samples.rounds[i])]);
    sum += weight * samples.values[i];
    count += weight;
  }
  return count > 0 ? sum / count : kNoLoadFigure;
}

LoadDistribution DescribeSamples(const LoadSamples& samples, int64_t rounds, uint64_t seed) {
  LoadDistribution distribution;
  distribution.name = samples.name;
  distribution.samples = static_cast<int64_t>(samples.values.size());
  if (samples.values.empty()) return distribution;
  distribution.max = *std::max_element(samples.values.begin(), samples.values.end());
  const auto estimates = BootstrapRounds(rounds, FiguresOfSamples(samples, rounds),
                                         LoadBootstrap(seed, samples.values.size()));
  if (!estimates.ok()) return distribution;
  distribution.mean = estimates->back();
  for (size_t p = 0; p < kLoadPercentiles.size(); ++p) {
    if (!KnowsPercentile(distribution.samples, kLoadPercentiles[p])) continue;
    distribution.percentiles[p] = (*estimates)[p];
  }
  return distribution;
}

LoadFigure DescribeRatio(const LoadRatio& ratio, int64_t rounds, uint64_t seed) {
  LoadFigure figure{ratio.name, ratio.unit, ratio.better, Estimate::Unknown()};
  const auto estimates = BootstrapRounds(rounds, FigureOfRatio(ratio), LoadBootstrap(seed, 0));
  if (estimates.ok()) figure.value = estimates->front();
  return figure;
}

template <class Entry>
const Entry& Named(const std::vector<Entry>& entries, absl::string_view name) {
  return *std::find_if(entries.begin(), entries.end(),
                       [name](const Entry& entry) { return entry.name == name; });
}

}  // namespace

const LoadDistribution& LoadMetrics::Distribution(absl::string_view name) const {
  return Named(distributions, name);
}
const LoadFigure& LoadMetrics::Figure(absl::string_view name) const { return Named(figures, name); }

std::vector<double> WeightedQuantiles(const LoadSamples& samples, absl::Span<const size_t> order,
                                      absl::Span<const int64_t> weights,
                                      absl::Span<const double> shares) {
  int64_t total = 0;
  for (const int64_t round : samples.rounds) total += weights[static_cast<size_t>(round)];
  std::vector<double> quantiles(shares.size(), kNoLoadFigure);
  if (total == 0) return quantiles;
  size_t at = 0;      // place in `order`
  int64_t below = 0;  // resampled samples before it
  const auto value_of = [&](int64_t rank) {
    while (true) {
      const int64_t weight = weights[static_cast<size_t>(samples.rounds[order[at]])];
      if (rank < below + weight) return samples.values[order[at]];
      below += weight;
      ++at;
    }
  };
  for (size_t s = 0; s < shares.size(); ++s) {
    const double place = static_cast<double>(total - 1) * shares[s];
    const auto rank = static_cast<int64_t>(std::floor(place));
    const double low = value_of(rank);
    const std::pair here(at, below);  // the next share may begin at the same rank
    const double high = value_of(std::min(rank + 1, total - 1));
    quantiles[s] = low + (place - std::floor(place)) * (high - low);
    std::tie(at, below) = here;
  }
  return quantiles;
}

RoundStatistic FiguresOfSamples(const LoadSamples& samples, int64_t rounds) {
  std::vector<size_t> order(samples.values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return samples.values[a] < samples.values[b]; });
  return [&samples, rounds, order = std::move(order)](absl::Span<const int64_t> drawn) {
    const std::vector<int64_t> weights = RoundWeights(drawn, rounds);
    std::vector<double> figures = WeightedQuantiles(samples, order, weights, kLoadPercentiles);
    figures.push_back(WeightedMean(samples, weights));
    return figures;
  };
}

RoundStatistic FigureOfRatio(const LoadRatio& ratio) {
  return [&ratio](absl::Span<const int64_t> drawn) {
    double numerator = 0;
    double denominator = 0;
    for (const int64_t round : drawn) {
      numerator += ratio.numerators[static_cast<size_t>(round)];
      denominator += ratio.denominators[static_cast<size_t>(round)];
    }
    return std::vector<double>{denominator > 0 ? numerator / denominator : kNoLoadFigure};
  };
}

bool KnowsPercentile(int64_t samples, double share) {
  // The share's last bit must not decide: 1000 x (1 - 0.99) is ten.
  return static_cast<double>(samples) * (1 - share) > kLeastBeyond - 1e-6;
}

LoadMetrics ComputeMetrics(const LoadRecord& record, const LoadSlo& slo, uint64_t seed) {
  LoadMetrics metrics;
  metrics.rounds = CollectRounds(record, slo);
  for (const LoadSamples& samples : metrics.rounds.samples) {
    metrics.distributions.push_back(DescribeSamples(samples, metrics.rounds.rounds, seed));
  }
  for (const LoadRatio& ratio : metrics.rounds.ratios) {
    metrics.figures.push_back(DescribeRatio(ratio, metrics.rounds.rounds, seed));
  }
  metrics.rounds.samples.clear();
  metrics.rounds.ratios.clear();
  return metrics;
}

double FindWarmUp(const RepetitionRecord& repetition) {
  constexpr size_t kParts = 40;
  constexpr size_t kFewest = 2 * kParts;  // requests
  if (repetition.requests.size() < kFewest) return 0;
  double last = 0;
  for (const RequestRecord& request : repetition.requests) {
    last = std::max(last, request.intended_seconds);
  }
  if (last <= 0) return 0;
  const double length = last / static_cast<double>(kParts);
  std::vector<double> running(kParts, 0.0);
  for (const RequestRecord& request : repetition.requests) {
    const double from = request.first_scheduled_seconds;
    if (from < 0) continue;
    for (auto part = static_cast<size_t>(from / length); part < kParts; ++part) {
      const double begin = length * static_cast<double>(part);
      if (begin >= request.finish_seconds) break;
      running[part] += std::min(request.finish_seconds, begin + length) - std::max(from, begin);
    }
  }
  const auto stable = static_cast<size_t>(StableFrom(running));
  return length * static_cast<double>(std::min(stable, kParts / 2));
}

}  // namespace plumbline
