#include "tools/steadiness.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

namespace plumbline {
namespace {

constexpr size_t kMostDriftSamples = 2000;  // pairs grow with the square

// Of (time, relative) pairs, in the order of time.
struct Trend {
  int64_t score = 0;  // Kendall's S: pairs that rise minus pairs that fall
  std::vector<double> slopes;
};

Trend TrendOf(const std::vector<std::pair<double, double>>& samples) {
  Trend trend;
  trend.slopes.reserve(samples.size() * (samples.size() - 1) / 2);
  for (size_t i = 0; i < samples.size(); ++i) {
    for (size_t j = i + 1; j < samples.size(); ++j) {
      const double seconds = samples[j].first - samples[i].first;
      if (seconds <= 0) continue;
      const double rise = samples[j].second - samples[i].second;
      trend.score += (rise > 0) - (rise < 0);
      trend.slopes.push_back(rise / seconds);
    }
  }
  return trend;
}

// The variance of Kendall's S without a trend, ties of values counted.
double ScoreVariance(const std::vector<std::pair<double, double>>& samples) {
  const auto term = [](double n) { return n * (n - 1) * (2 * n + 5) / 18; };
  std::map<double, int64_t> equal;
  for (const auto& sample : samples) ++equal[sample.second];
  double variance = term(static_cast<double>(samples.size()));
  for (const auto& tie : equal) variance -= term(static_cast<double>(tie.second));
  return variance;
}

}  // namespace

int64_t StableFrom(absl::Span<const double> samples) {
  if (samples.size() < 4) return 0;
  const absl::Span<const double> later = samples.subspan(samples.size() / 2);
  const double median = Median(later);
  const double reach = 3 * RobustSpread(later);
  const auto near = [&](double sample) { return std::abs(sample - median) <= reach; };
  for (size_t i = 0; i + 1 < samples.size(); ++i) {
    if (near(samples[i]) && near(samples[i + 1])) return static_cast<int64_t>(i);
  }
  return static_cast<int64_t>(samples.size());
}

bool PreciseEnough(absl::Span<const double> samples, const StopRule& rule) {
  if (samples.size() < static_cast<size_t>(std::max(rule.least, 1))) return false;
  const auto interval = ExactMedianInterval(samples, rule.level);
  return interval.ok() && interval->median.value > 0 && interval->confidence >= rule.level &&
         interval->median.RelativeHalfWidth() <= rule.relative_half_width;
}

Drift FindDrift(absl::Span<const double> start_seconds, absl::Span<const double> relative,
                double level) {
  std::vector<std::pair<double, double>> samples;
  const size_t size = std::min(start_seconds.size(), relative.size());
  const size_t looked_at = std::min(size, kMostDriftSamples);
  for (size_t k = 0; k < looked_at; ++k) {
    const size_t i = k * size / looked_at;
    if (std::isfinite(start_seconds[i]) && std::isfinite(relative[i])) {
      samples.emplace_back(start_seconds[i], relative[i]);
    }
  }
  std::sort(samples.begin(), samples.end());
  if (samples.size() < 8) return {};
  const Trend trend = TrendOf(samples);
  const double variance = ScoreVariance(samples);
  if (trend.slopes.empty() || variance <= 0) return {};
  Drift drift;
  drift.relative_change = Median(trend.slopes) * (samples.back().first - samples.front().first);
  // One less than |S|: the continuity correction.
  const double distance = std::max<double>(0, static_cast<double>(std::abs(trend.score)) - 1);
  drift.p_value = std::erfc(distance / std::sqrt(2 * variance));
  drift.flagged = drift.p_value < level;
  return drift;
}

}  // namespace plumbline
