#include "tools/load_timing.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "engine/quantile.h"

namespace plumbline {
namespace {

struct TimedPart {
  double start;
  double end;
  double* sum;  // where its length belongs
};

// Walks from the first step to the first token; what is neither prefill nor preemption is a stall.
void SplitFirstToken(const RequestRecord& request, absl::Span<const StepRecord> steps,
                     RequestTiming* timing) {
  const double first_token = request.token_seconds.front();
  timing->queue = request.first_scheduled_seconds - request.intended_seconds;
  timing->prefill = timing->stalled = timing->preempted = 0;
  std::vector<TimedPart> parts;
  for (const ChunkRecord& chunk : request.chunks) {
    const StepRecord& step = steps[static_cast<size_t>(chunk.step)];
    if (step.end_seconds > first_token) break;
    parts.push_back({step.start_seconds, step.end_seconds, &timing->prefill});
  }
  for (const PreemptionRecord& gone : request.preemptions) {
    if (gone.evicted_seconds >= first_token) break;
    parts.push_back({gone.evicted_seconds, gone.resumed_seconds, &timing->preempted});
  }
  // An eviction ends where a step begins, so it comes before that step.
  std::sort(parts.begin(), parts.end(), [](const TimedPart& a, const TimedPart& b) {
    return std::pair(a.start, a.end) < std::pair(b.start, b.end);
  });
  double cursor = request.first_scheduled_seconds;
  for (const TimedPart& part : parts) {
    timing->stalled += part.start - cursor;
    *part.sum += part.end - part.start;
    cursor = part.end;
  }
  timing->stalled += first_token - cursor;
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
