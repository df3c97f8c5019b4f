// Predicted times of a model's requests, from predicted times of its steps.
#ifndef PLUMBLINE_TOOLS_PLAN_TIMES_H_
#define PLUMBLINE_TOOLS_PLAN_TIMES_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "engine/cost_model.h"

namespace plumbline {

// Longer contexts, and prompts of more steps, are not predicted: no prediction is to take long.
inline constexpr int64_t kMostPredictedTokens = int64_t{1} << 20;
inline constexpr int64_t kMostPredictedSteps = int64_t{1} << 12;

// Seconds of one forward pass over these spans.
using StepSeconds = absl::FunctionRef<double(absl::Span<const SpanShape> spans)>;

// Time to the first token of one prompt that runs alone: its chunks one after another, the last of
// which gives a row of logits. REQUIRES: prompt_tokens and chunk_tokens are at least 1.
double PredictTtft(int64_t prompt_tokens, int64_t chunk_tokens, StepSeconds step_seconds);

// One step of `batch` requests that each feed one token at this context (the new token included).
// REQUIRES: both are at least 1.
double PredictDecodeStep(int64_t context_tokens, int64_t batch, StepSeconds step_seconds);

// 128, 512, 2,048 and so on up to half of `most`; then `most`, and `wish` where it is
// from 1 to `most`. Ascending, none twice. REQUIRES: most >= 1.
std::vector<int64_t> PlanLengths(int64_t most, int64_t wish);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_PLAN_TIMES_H_
