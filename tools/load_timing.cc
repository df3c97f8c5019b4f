#include "tools/load_timing.h"

#include <algorithm>
#include <cstddef>

#include "engine/quantile.h"
#include "tools/load_spans.h"

namespace plumbline {
namespace {

// Sums the spans up to the first token, each kind in their order.
void SplitFirstToken(const RequestRecord& request, absl::Span<const StepRecord> steps,
                     RequestTiming* timing) {
  timing->queue = timing->prefill = timing->stalled = timing->preempted = 0;
  for (const RequestSpan& span : FirstTokenSpans(request, steps)) {
    const double seconds = span.end_seconds - span.start_seconds;
    switch (span.kind) {
      case LoadSpanKind::kQueue:
        timing->queue += seconds;
        break;
      case LoadSpanKind::kPrefill:
        timing->prefill += seconds;
        break;
      case LoadSpanKind::kPreempted:
        timing->preempted += seconds;
        break;
      default:
        timing->stalled += seconds;
        break;
    }
  }
}

}  // namespace

std::vector<double> GapsOf(const RequestRecord& request) {
  std::vector<double> gaps;
  const std::vector<double>& times = request.token_seconds;
  for (size_t i = 1; i < times.size(); ++i) gaps.push_back(times[i] - times[i - 1]);
  return gaps;
}

RequestTiming TimingOf(const RequestRecord& request, absl::Span<const StepRecord> steps) {
  RequestTiming timing;
  const std::vector<double>& times = request.token_seconds;
  if (times.empty()) return timing;
  timing.ttft = times.front() - request.intended_seconds;
  if (request.first_scheduled_seconds >= 0) SplitFirstToken(request, steps, &timing);
  if (request.outcome == LoadOutcome::kCompleted) {
    timing.e2e = times.back() - request.intended_seconds;
  }
  std::vector<double> gaps = GapsOf(request);
  if (gaps.empty()) return timing;
  timing.tpot = (times.back() - times.front()) / static_cast<double>(gaps.size());
  timing.longest_gap = *std::max_element(gaps.begin(), gaps.end());
  timing.p99_gap = QuantileInPlace(gaps, 0.99);
  return timing;
}

bool Meets(const LoadSlo& slo, const RequestRecord& request, const RequestTiming& timing) {
  return request.outcome == LoadOutcome::kCompleted && timing.ttft <= slo.ttft &&
         timing.e2e <= slo.e2e && timing.tpot <= slo.tpot && timing.p99_gap <= slo.itl;
}

}  // namespace plumbline
