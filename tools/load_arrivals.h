// When requests should be sent: one text, e.g. "poisson:4".
#ifndef PLUMBLINE_TOOLS_LOAD_ARRIVALS_H_
#define PLUMBLINE_TOOLS_LOAD_ARRIVALS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/load_random.h"

namespace plumbline {

enum class ArrivalKind : uint8_t {
  kAll,       // all at once
  kConstant,  // evenly spaced
  kPoisson,   // independent of one another
  kGamma,     // gaps of a gamma distribution, whose shape is the burstiness: 1 is Poisson, less
              // comes in bursts, more is evener
  kRamp,      // Poisson with a rate that changes evenly over the run
  kClosed,    // a number of users, each of whom sends when the former answer is done
  kTrace,     // as a file tells
};

struct ArrivalSpec {
  ArrivalKind kind = ArrivalKind::kAll;
  double rate = 0;      // requests per second (at the start, of a ramp)
  double end_rate = 0;  // of a ramp
  double burstiness = 1;
  int64_t users = 0;
  std::string path;          // of a trace
  std::string text = "all";  // as it was parsed

  bool has_rate() const {
    return kind == ArrivalKind::kConstant || kind == ArrivalKind::kPoisson ||
           kind == ArrivalKind::kGamma;
  }
};

// "all", "constant:RATE", "poisson:RATE", "gamma:RATE,BURSTINESS", "ramp:FROM,TO", "closed:USERS",
// "trace:FILE". InvalidArgument says what is wrong and what there is.
absl::StatusOr<ArrivalSpec> ParseArrivals(absl::string_view text);
// The same arrivals at another rate. REQUIRES: has_rate().
ArrivalSpec AtRate(const ArrivalSpec& spec, double rate);

// Intended send times from 0, ascending, of at most `count` requests before `seconds` (infinite: no
// limit). A ramp takes `seconds`, or as long as `count` requests take on average. REQUIRES: neither
// kClosed nor kTrace.
std::vector<double> ArrivalTimes(const ArrivalSpec& spec, int64_t count, double seconds,
                                 LoadRandom& random);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_ARRIVALS_H_
