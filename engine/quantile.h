// Order statistics of samples.
#ifndef PLUMBLINE_ENGINE_QUANTILE_H_
#define PLUMBLINE_ENGINE_QUANTILE_H_

#include <algorithm>
#include <cstddef>
#include <vector>

namespace plumbline {

// The value below which `share` of the samples lie, straight between neighbours (type 7 of Hyndman
// and Fan 1996); 0 for no samples. REQUIRES: 0 <= share <= 1.
inline double Quantile(std::vector<double> samples, double share) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const double at = share * static_cast<double>(samples.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, samples.size() - 1);
  const double part = at - static_cast<double>(low);
  return samples[low] * (1 - part) + samples[high] * part;
}

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_QUANTILE_H_
