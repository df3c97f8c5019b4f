// The times of one request, from its record.
#ifndef PLUMBLINE_TOOLS_LOAD_TIMING_H_
#define PLUMBLINE_TOOLS_LOAD_TIMING_H_

#include <vector>

#include "absl/types/span.h"
#include "tools/load_record.h"
#include "tools/load_slo.h"

namespace plumbline {

// Seconds; -1: there is no such time. Everything counts from the intended send.
struct RequestTiming {
  double ttft = -1;  // to the first token = queue + prefill + stalled + preempted
  // The four parts; all -1 where the target tells no steps, or no token came.
  double queue = -1;      // intended send to the start of the first step with its tokens
  double prefill = -1;    // steps that held its tokens
  double stalled = -1;    // it held blocks, but no token of its own ran (between steps included)
  double preempted = -1;  // its blocks were given away, until it ran again
  double e2e = -1;        // to the last token; -1 where it did not complete
  double tpot = -1;       // mean gap between its tokens; -1 for fewer than two
  double p99_gap = -1;    // of its gaps
  double longest_gap = -1;
};

RequestTiming TimingOf(const RequestRecord& request, absl::Span<const StepRecord> steps);

// The times between its tokens, in order.
std::vector<double> GapsOf(const RequestRecord& request);

// Whether it completed and kept every goal. A request of one token keeps any goal on gaps.
bool Meets(const LoadSlo& slo, const RequestRecord& request, const RequestTiming& timing);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_TIMING_H_
