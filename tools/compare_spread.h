// How far chance moves a figure of one load test, so that it can be held against another's.
#ifndef PLUMBLINE_TOOLS_COMPARE_SPREAD_H_
#define PLUMBLINE_TOOLS_COMPARE_SPREAD_H_

#include <cstdint>
#include <vector>

#include "tools/stats.h"

namespace plumbline {

struct FigureSpread {
  double value = 0;      // NaN: unknown
  double error = 0;      // standard error, in the figure's unit; NaN: unknown
  double log_error = 0;  // of its logarithm; NaN where the figure or a resample is not above 0
  int64_t freedom = 1;   // degrees of freedom of both
};

struct SpreadOptions {
  uint64_t seed = 1;
  int resamples = 400;
  // Rounds are parts of one run's time, and neighbours are alike: errors are taken from parts of
  // one, two and four rounds, and the largest is kept, with the freedom of its number of parts.
  bool neighbours_alike = false;
};

// Of every figure of the statistic. Errors are unknown for fewer than two rounds, and where a
// figure is NaN in more than one resample of 20. REQUIRES: rounds >= 1 and resamples >= 20.
std::vector<FigureSpread> SpreadsOf(int64_t rounds, const RoundStatistic& statistic,
                                    const SpreadOptions& options);

// B's figure against A's, both measured apart. On the scale of logarithms where `relative` (which
// needs both log_errors), else in the figure's unit.
struct SpreadContrast {
  bool relative = false;
  double change = 0;    // log(B / A), or B - A; NaN: unknown
  double error = 0;     // its standard error; NaN: unknown
  int64_t freedom = 1;  // where they differ: by Welch and Satterthwaite
  double p_value = 1;   // two-sided, of no change; 1 where the error is unknown
  // Whether chance could have moved it: errors are known, and not both 0.
  bool uncertain() const { return error > 0; }
  // Half the width of the interval that misses with a chance of `miss`. NaN where unknown.
  double HalfWidth(double miss) const;
};
SpreadContrast ContrastSpreads(const FigureSpread& a, const FigureSpread& b);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_COMPARE_SPREAD_H_
