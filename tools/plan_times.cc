#include "tools/plan_times.h"

#include <algorithm>
#include <set>

namespace plumbline {

double PredictTtft(int64_t prompt_tokens, int64_t chunk_tokens, StepSeconds step_seconds) {
  double seconds = 0;
  for (int64_t first = 0; first < prompt_tokens; first += chunk_tokens) {
    SpanShape span;
    span.first = first;
    span.count = std::min(chunk_tokens, prompt_tokens - first);
    span.logit_rows = first + span.count == prompt_tokens ? 1 : 0;
    seconds += step_seconds(absl::MakeConstSpan(&span, 1));
  }
  return seconds;
}

double PredictDecodeStep(int64_t context_tokens, int64_t batch, StepSeconds step_seconds) {
  const std::vector<SpanShape> spans(static_cast<size_t>(batch), {context_tokens - 1, 1, 1});
  return step_seconds(spans);
}

std::vector<int64_t> PlanLengths(int64_t most, int64_t wish) {
  constexpr int64_t kFirst = 128;
  constexpr int64_t kFactor = 4;
  std::set<int64_t> lengths = {most};
  // A length close to the last one would tell nothing new.
  for (int64_t length = kFirst; length <= most / 2; length *= kFactor) lengths.insert(length);
  if (wish >= 1 && wish <= most) lengths.insert(wish);
  return {lengths.begin(), lengths.end()};
}

}  // namespace plumbline
