// `plumbline load --find-max-rate`: the highest rate of arrivals at which requests still keep their
// goals.
#ifndef PLUMBLINE_TOOLS_LOAD_SEARCH_H_
#define PLUMBLINE_TOOLS_LOAD_SEARCH_H_

#include <functional>
#include <vector>

#include "absl/status/statusor.h"

namespace plumbline {

// One rate that was tried.
struct RateProbe {
  double rate = 0;        // requests per second
  double good_share = 0;  // of requests that kept all goals
  bool passed = false;
};

struct RateSearch {
  std::vector<RateProbe> probes;  // in the order tried
  double highest = 0;             // rate that passed; 0: none did
};

struct RateSearchOptions {
  double first_rate = 1;
  double target_share = 0.99;  // good_share that passes
  double precision = 0.05;     // the first rate that fails is at most this share above the highest
  int most_probes = 16;
};

// Doubles the rate until one fails, or halves it until one passes, then bisects (by geometric
// means). `probe` gives the good share of a rate; its error ends the search, and so does a negative
// share (an interrupt), after which what there is is returned.
absl::StatusOr<RateSearch> FindMaxRate(const RateSearchOptions& options,
                                       const std::function<absl::StatusOr<double>(double)>& probe);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_SEARCH_H_
