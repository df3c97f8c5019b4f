#include "tools/load_search.h"

#include <cmath>

namespace plumbline {

absl::StatusOr<RateSearch> FindMaxRate(const RateSearchOptions& options,
                                       const std::function<absl::StatusOr<double>(double)>& probe) {
  RateSearch search;
  double fails = 0;  // the lowest rate that failed; 0: none did
  double rate = options.first_rate;
  while (static_cast<int>(search.probes.size()) < options.most_probes) {
    const absl::StatusOr<double> share = probe(rate);
    if (!share.ok()) return share.status();
    if (*share < 0) break;
    const bool passed = *share >= options.target_share;
    search.probes.push_back({rate, *share, passed});
    if (passed) {
      search.highest = rate;
    } else {
      fails = rate;
    }
    if (fails == 0) {
      rate *= 2;
    } else if (search.highest == 0) {
      rate /= 2;
    } else if (fails > search.highest * (1 + options.precision)) {
      rate = std::sqrt(fails * search.highest);
    } else {
      break;
    }
  }
  return search;
}

}  // namespace plumbline
