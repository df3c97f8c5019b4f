// What a request must keep to count as good: "ttft=0.5,itl=50ms".
#ifndef PLUMBLINE_TOOLS_LOAD_SLO_H_
#define PLUMBLINE_TOOLS_LOAD_SLO_H_

#include <limits>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace plumbline {

// Seconds; infinite: no goal.
struct LoadSlo {
  double ttft = std::numeric_limits<double>::infinity();
  double tpot = std::numeric_limits<double>::infinity();  // mean gap between the request's tokens
  double itl = std::numeric_limits<double>::infinity();   // 99th percentile of these gaps
  double e2e = std::numeric_limits<double>::infinity();
  std::string text;  // as it was parsed; empty: no goal at all
};

// Keys ttft, tpot, itl and e2e, each once; times in seconds, or with "s" or "ms" behind them.
// InvalidArgument says what is wrong.
absl::StatusOr<LoadSlo> ParseSlo(absl::string_view text);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_SLO_H_
