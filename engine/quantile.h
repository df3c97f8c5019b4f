// Order statistics of samples.
#ifndef PLUMBLINE_ENGINE_QUANTILE_H_
#define PLUMBLINE_ENGINE_QUANTILE_H_

#include <vector>

#include "absl/types/span.h"

namespace plumbline {

// The value below which `share` of the samples lie, linear between order statistics (definition 7
// of Hyndman and Fan 1996). Infinite samples keep their place in the order. NaN where there are no
// samples, one is NaN, or `share` is outside [0, 1]. Pure.
double Quantile(absl::Span<const double> samples, double share);
// The same of samples that may be reordered. REQUIRES: no NaN, not empty, share in [0, 1].
double QuantileInPlace(std::vector<double>& samples, double share);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_QUANTILE_H_
