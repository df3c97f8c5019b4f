#include "tools/compare_spread.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "tools/resampling.h"

namespace plumbline {
namespace {

constexpr double kNoSpread = std::numeric_limits<double>::quiet_NaN();

// Rounds that stay together.
constexpr std::array<int64_t, 3> kParts = {1, 2, 4};

double StandardDeviation(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  double squares = 0;
  for (const double value : values) squares += (value - sum / count) * (value - sum / count);
  return std::sqrt(squares / (count - 1));
}

FigureSpread SpreadFromResamples(double value, const std::vector<double>& resampled,
                                 int64_t parts) {
  FigureSpread spread{value, kNoSpread, kNoSpread, std::max<int64_t>(1, parts - 1)};
  std::vector<double> taken = Taken(resampled);
  if (std::isnan(value) || parts < 2) return spread;
  if (20 * (resampled.size() - taken.size()) > resampled.size()) return spread;
  // Resamples of n parts vary with the parts' own variance over n, which is (n - 1) / n too small.
  const double unbiased = std::sqrt(static_cast<double>(parts) / static_cast<double>(parts - 1));
  spread.error = unbiased * StandardDeviation(taken);
  const bool positive =
      value > 0 && std::all_of(taken.begin(), taken.end(), [](double x) { return x > 0; });
  if (!positive) return spread;
  for (double& x : taken) x = std::log(x);
  spread.log_error = unbiased * StandardDeviation(taken);
  return spread;
}

// Of the difference of two figures whose errors are these shares of its own (their squares add up
// to 1, and none can overflow).
int64_t FreedomOf(int64_t a, double share_a, int64_t b, double share_b) {
  // Two runs of one configuration have the same true error, so where both were estimated from as
  // many parts, the freedoms add up (Student). Else Welch and Satterthwaite.
  if (a == b) return a + b;
  const double freedom = 1 / (std::pow(share_a, 4) / static_cast<double>(a) +
                              std::pow(share_b, 4) / static_cast<double>(b));
  return std::max<int64_t>(1, static_cast<int64_t>(freedom));
}

}  // namespace

std::vector<FigureSpread> SpreadsOf(int64_t rounds, const RoundStatistic& statistic,
                                    const SpreadOptions& options) {
  std::vector<FigureSpread> spreads;
  for (const int64_t part : kParts) {
    if (part > 1 && (!options.neighbours_alike || rounds < 2 * part)) break;
    BootstrapOptions bootstrap;
    bootstrap.seed = options.seed;
    bootstrap.resamples = options.resamples;
    bootstrap.block = part;
    const auto figures = ResampleRounds(rounds, statistic, bootstrap);
    if (!figures.ok()) break;
    for (size_t f = 0; f < figures->values.size(); ++f) {
      const FigureSpread spread =
          SpreadFromResamples(figures->values[f], figures->resampled[f], rounds / part);
      if (part == 1) {
        spreads.push_back(spread);
      } else if (spread.error > spreads[f].error) {
        spreads[f] = spread;
      }
    }
  }
  return spreads;
}

double SpreadContrast::HalfWidth(double miss) const {
  if (!uncertain()) return error;
  return error * StudentQuantile(miss / 2, freedom);
}

SpreadContrast ContrastSpreads(const FigureSpread& a, const FigureSpread& b) {
  SpreadContrast contrast;
  contrast.relative = !std::isnan(a.log_error) && !std::isnan(b.log_error);
  const double error_a = contrast.relative ? a.log_error : a.error;
  const double error_b = contrast.relative ? b.log_error : b.error;
  contrast.change = contrast.relative ? std::log(b.value / a.value) : b.value - a.value;
  contrast.error = std::hypot(error_a, error_b);
  if (std::isnan(contrast.error) || std::isnan(contrast.change)) return contrast;
  if (contrast.error == 0) {
    contrast.p_value = contrast.change == 0 ? 1 : 0;
    return contrast;
  }
  contrast.freedom =
      FreedomOf(a.freedom, error_a / contrast.error, b.freedom, error_b / contrast.error);
  contrast.p_value =
      2 * StudentUpperTail(std::abs(contrast.change) / contrast.error, contrast.freedom);
  return contrast;
}

}  // namespace plumbline
