#include "tests/reference/forward_bound.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/reference/reference_attention.h"

namespace plumbline {

double ForwardBound::WorstRatio(size_t position, absl::Span<const double> actual) const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (position >= logits.size() || actual.size() != logits[position].size()) return kInfinity;
  double worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double ratio = std::abs(actual[i] - logits[position][i]) / bounds[position][i];
    worst = std::isnan(ratio) ? kInfinity : std::max(worst, ratio);
  }
  return worst;
}

double ForwardBound::WorstRatio(size_t position, absl::Span<const float> actual) const {
  return WorstRatio(position, absl::MakeConstSpan(Widen(actual)));
}

double ForwardBound::WorstRatio(const std::vector<std::vector<double>>& actual) const {
  if (actual.size() != logits.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    worst = std::max(worst, WorstRatio(i, absl::MakeConstSpan(actual[i])));
  }
  return worst;
}

ForwardBound BoundForward(const ReferenceModel& model, absl::Span<const int32_t> tokens,
                          const ForwardBoundOptions& options) {
  ForwardBound result;
  result.logits = model.Logits(tokens);
  const auto vocab = static_cast<size_t>(model.config().vocab);
  // Sums of squared deviations first, bounds in the end.
  result.bounds.assign(tokens.size(), std::vector<double>(vocab, 0.0));
  for (int sample = 0; sample < options.samples; ++sample) {
    Rounder rounder =
        Rounder::RandomSigns(options.precision, options.seed + static_cast<uint64_t>(sample));
    const std::vector<std::vector<double>> disturbed = model.RoundedLogits(tokens, rounder);
    for (size_t row = 0; row < tokens.size(); ++row) {
      for (size_t i = 0; i < vocab; ++i) {
        const double deviation = disturbed[row][i] - result.logits[row][i];
        result.bounds[row][i] += deviation * deviation;
      }
    }
  }
  const double comparisons = static_cast<double>(tokens.size()) * static_cast<double>(vocab);
  const double lambda = LambdaFor(comparisons, options.failure_probability);
  for (std::vector<double>& row : result.bounds) {
    double mean = 0;
    for (double squares : row) mean += squares / static_cast<double>(vocab);
    for (double& bound : row) {
      bound = lambda * std::sqrt(std::max(bound, mean) / options.samples);
    }
  }
  return result;
}

}  // namespace plumbline
