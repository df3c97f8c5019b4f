#include "tools/perplexity_score.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "engine/quantile.h"

namespace plumbline {
namespace {

constexpr double kPercentile = 0.99;

// exp(d) - 1 - d >= 0, for |d| < 1. expm1 would lose d^2 / 2 beside d where d is small.
double ExpExcess(double d) {
  // Where the first term left out, d^9 / 9!, is below half a unit in the last place of d^2 / 2.
  constexpr double kSmall = 0.025;
  if (std::abs(d) >= kSmall) return std::expm1(d) - d;
  double sum = 1;
  for (int k = 8; k > 2; --k) sum = 1 + d / k * sum;
  return d * d / 2 * sum;
}

// p (exp(d) - 1 - d) for p = exp(log_p), q = exp(log_p + d).
double DivergenceTerm(double log_p, double d) {
  const double p = std::exp(log_p);
  if (std::abs(d) < 1) return p * ExpExcess(d);
  // exp(d) alone may overflow; q - p (1 + d) has no cancellation this far out.
  return std::exp(log_p + d) - p * (1 + d);
}

using WindowFigure = std::function<double(const WindowSums&)>;

// The mean over tokens, and its standard error.
WithError MeanOf(const std::vector<WindowSums>& windows, const WindowFigure& figure) {
  double sum = 0;
  double tokens = 0;
  for (const WindowSums& window : windows) {
    sum += figure(window);
    tokens += static_cast<double>(window.tokens);
  }
  const double mean = sum / tokens;
  const auto count = static_cast<double>(windows.size());
  if (windows.size() < 2) return {mean, std::numeric_limits<double>::quiet_NaN()};
  double squares = 0;
  for (const WindowSums& window : windows) {
    const double deviation = figure(window) - mean * static_cast<double>(window.tokens);
    squares += deviation * deviation;
  }
  return {mean, std::sqrt(count / (count - 1) * squares) / tokens};
}

WithError Exponential(const WithError& mean) {
  const double value = std::exp(mean.value);
  return {value, value * mean.error};
}

}  // namespace

double LogSumExp(absl::Span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - largest);
  return largest + std::log(sum);
}

LogitRow::LogitRow(absl::Span<const float> row)
    : logits(row),
      log_sum_exp(LogSumExp(row)),
      top(std::max_element(row.begin(), row.end()) - row.begin()) {}

double Divergence(const LogitRow& reference, const LogitRow& other) {
  const double shift = reference.log_sum_exp - other.log_sum_exp;
  double sum = 0;
  for (size_t i = 0; i < reference.logits.size(); ++i) {
    const double logit = reference.logits[i];
    const double d = (double{other.logits[i]} - logit) + shift;
    sum += DivergenceTerm(logit - reference.log_sum_exp, d);
  }
  return sum;
}

bool TokenScore::finite() const {
  return std::isfinite(negative_log) && std::isfinite(reference_negative_log) &&
         std::isfinite(divergence);
}

TokenScore ScoreToken(const LogitRow& reference, const LogitRow& other, int64_t token) {
  return {other.NegativeLog(token), reference.NegativeLog(token), Divergence(reference, other),
          reference.top == other.top};
}

void WindowSums::Add(const TokenScore& score) {
  ++tokens;
  negative_log += score.negative_log;
  reference_negative_log += score.reference_negative_log;
  divergence += score.divergence;
  equal_tops += score.equal_top ? 1 : 0;
}

PerplexitySummary Summarize(const TextScores& scores) {
  PerplexitySummary summary;
  summary.windows = static_cast<int64_t>(scores.windows.size());
  int64_t equal_tops = 0;
  for (const WindowSums& window : scores.windows) {
    summary.tokens += window.tokens;
    equal_tops += window.equal_tops;
  }
  const auto& windows = scores.windows;
  summary.perplexity =
      Exponential(MeanOf(windows, [](const WindowSums& w) { return w.negative_log; }));
  summary.ratio = Exponential(MeanOf(
      windows, [](const WindowSums& w) { return w.negative_log - w.reference_negative_log; }));
  summary.mean_divergence = MeanOf(windows, [](const WindowSums& w) { return w.divergence; });
  summary.divergence_p99 = Quantile(scores.divergences, kPercentile);
  summary.divergence_max = Quantile(scores.divergences, 1);
  summary.equal_top_share = static_cast<double>(equal_tops) / static_cast<double>(summary.tokens);
  return summary;
}

}  // namespace plumbline
