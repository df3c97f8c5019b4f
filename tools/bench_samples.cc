#include "tools/bench_samples.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/quantile.h"

namespace plumbline {

BenchSpread SpreadOf(absl::Span<const double> values) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (values.empty()) return {kNone, kNone, kNone, kNone, kNone};
  const auto count = static_cast<double>(values.size());
  BenchSpread spread{};
  spread.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double value : values) squares += (value - spread.mean) * (value - spread.mean);
  spread.deviation = values.size() > 1 ? std::sqrt(squares / (count - 1)) : 0;
  spread.median = Quantile(values, 0.5);
  spread.first_quartile = Quantile(values, 0.25);
  spread.third_quartile = Quantile(values, 0.75);
  return spread;
}

BenchSpread SpreadOf(const BenchResult& result,
                     const std::function<double(const BenchSample&)>& figure) {
  std::vector<double> values;
  values.reserve(result.samples.size());
  for (const BenchSample& sample : result.samples) values.push_back(figure(sample));
  return SpreadOf(values);
}

BenchSpread TokensPerSecond(const BenchResult& result) {
  const auto tokens = static_cast<double>(result.test.tokens());
  return SpreadOf(result, [=](const BenchSample& sample) { return tokens / sample.seconds; });
}

BenchSpread AttainableShare(const BenchResult& result) {
  return SpreadOf(
      result, [](const BenchSample& sample) { return sample.attainable.seconds / sample.seconds; });
}

BenchSpread AttainableShareByClass(const BenchResult& result) {
  return SpreadOf(result, [](const BenchSample& sample) {
    return sample.attainable.by_class_seconds / sample.seconds;
  });
}

std::string BenchBound(const BenchResult& result) {
  if (result.samples.empty()) return "-";
  const auto compute =
      std::count_if(result.samples.begin(), result.samples.end(),
                    [](const BenchSample& sample) { return sample.attainable.compute_bound(); });
  return 2 * compute > static_cast<std::ptrdiff_t>(result.samples.size()) ? "matmul" : "memory";
}

double BytesPerToken(const BenchResult& result) {
  return static_cast<double>(Total(result.counts.bytes)) /
         static_cast<double>(result.test.tokens());
}

double MacsPerToken(const BenchResult& result) {
  return static_cast<double>(result.counts.macs.TotalUseful()) /
         static_cast<double>(result.test.tokens());
}

}  // namespace plumbline
