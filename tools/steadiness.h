// Whether a machine held still while it was measured: warm-up, drift, and when samples suffice.
// Pure functions; thread-safe.
#ifndef PLUMBLINE_TOOLS_STEADINESS_H_
#define PLUMBLINE_TOOLS_STEADINESS_H_

#include <cstdint>

#include "absl/types/span.h"
#include "tools/stats.h"

namespace plumbline {

// The first of samples, in the order taken, from which they are stable: it and the one after it
// lie within three robust spreads of the median of the later half. 0 for fewer than four samples
// (nothing can be said); samples.size() where no such pair exists.
int64_t StableFrom(absl::Span<const double> samples);

// When a point needs no further repetition.
struct StopRule {
  double relative_half_width = 0.02;  // of the median's interval
  double level = 0.95;
  int least = 6;  // fewer samples cannot hold a median at 95%
};
// True where there are enough samples and the exact interval of their median is narrow enough.
// False where one is not finite or the median is not above zero.
bool PreciseEnough(absl::Span<const double> samples, const StopRule& rule = {});

// A trend of samples over the run.
struct Drift {
  // Relative change from the first sample's time to the last one's, by the median of slopes over
  // all pairs (Theil and Sen). 0.05: 5% slower at the end.
  double relative_change = 0;
  // Chance of as strong a trend, either way, without drift (Mann 1945, Kendall 1975; ties counted).
  double p_value = 1;
  bool flagged = false;  // p_value < the level asked for
};
// `relative`: samples over the median of their own point, so that points of all sizes speak
// together; `start_seconds`: when each began. Pairs with a NaN or an infinity are left out; of more
// than 2000 samples evenly chosen ones are looked at. Fewer than eight samples are never flagged.
// REQUIRES: as many of one as of the other.
Drift FindDrift(absl::Span<const double> start_seconds, absl::Span<const double> relative,
                double level = 0.01);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_STEADINESS_H_
