#include "engine/quantile.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace plumbline {

double Quantile(absl::Span<const double> samples, double share) {
  const auto is_nan = [](double x) { return std::isnan(x); };
  if (samples.empty() || !(share >= 0 && share <= 1) ||
      std::any_of(samples.begin(), samples.end(), is_nan)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  std::vector<double> copy(samples.begin(), samples.end());
  return QuantileInPlace(copy, share);
}

double QuantileInPlace(std::vector<double>& samples, double share) {
  const double at = share * static_cast<double>(samples.size() - 1);
  const auto low = static_cast<size_t>(at);
  const double part = at - static_cast<double>(low);
  const auto nth = samples.begin() + static_cast<ptrdiff_t>(low);
  std::nth_element(samples.begin(), nth, samples.end());
  if (part == 0) return *nth;
  const double next = *std::min_element(nth + 1, samples.end());
  return *nth == next ? next : *nth * (1 - part) + next * part;  // equal: infinities stay
}

}  // namespace plumbline
