// The second half of a step: progress, ends and results.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "scheduler/ledger.h"
#include "scheduler/scheduler.h"

namespace plumbline {

void Scheduler::Commit(const StepPlan& plan, absl::Span<SampleOutcome> outcomes) {
  const double now = plan_.end_seconds = clock_.NowSeconds();
  bound_.Observe(now - plan.start_seconds);
  size_t next = 0;
  for (const PlannedSpan& span : plan.spans) {
    Sequence& sequence = *span.sequence;
    sequence.computed_tokens += span.count;
    StampStep(sequence, plan, now);
    // Not what may have spoilt the logits.
    if (span.logit_rows == 0 || outcomes[next].ok()) blocks_.Index(sequence);
    if (span.logit_rows > 0) AppendToken(sequence, std::move(outcomes[next++]), now);
  }
  RemoveFinished();
  plan_.Clear();
  // The only sequence that ran has a new token and goes on.
  if (options_.recompute_each_step && next > 0 && !running_.empty()) {
    blocks_.Release(*running_.back());
    PutBack(running_.size() - 1);
  }
}

void Scheduler::Abort(const StepPlan& plan, const absl::Status& status) {
  const double now = plan_.end_seconds = clock_.NowSeconds();
  for (const PlannedSpan& span : plan.spans) {
    StampStep(*span.sequence, plan, now);
    Finish(*span.sequence, FinishReason::kError, status, now);
  }
  RemoveFinished();
  plan_.Clear();
}

void Scheduler::StampStep(Sequence& sequence, const StepPlan& plan, double now) const {
  RequestResult& result = sequence.result;
  if (result.first_scheduled_seconds < 0) result.first_scheduled_seconds = plan.start_seconds;
  if (result.steps.empty() || result.steps.back().end_seconds >= 0) return;  // none was recorded
  result.steps.back().end_seconds = now;
  result.steps.back().seconds = now - plan.start_seconds;
}

void Scheduler::AppendToken(Sequence& sequence, SampleOutcome outcome, double now) {
  if (!outcome.ok()) {
    Finish(sequence, FinishReason::kError, outcome.status(), now);
    return;
  }
  const Request& request = sequence.request;
  RequestResult& result = sequence.result;
  sequence.tokens.push_back(outcome->token);
  if (result.first_token_seconds < 0) result.first_token_seconds = now;
  TokenEvent event{sequence.id, result.sample, outcome->token, now, {}};
  if (request.logprobs > 0) {
    result.logprobs.push_back(std::move(outcome->logprobs));
    event.logprobs = result.logprobs.back();
  }
  const bool wanted = !request.on_token || request.on_token(event);
  const bool ended = std::find(request.end_tokens.begin(), request.end_tokens.end(), event.token) !=
                     request.end_tokens.end();
  if (ended || !wanted) {
    Finish(sequence, FinishReason::kStop, absl::OkStatus(), now);
  } else if (sequence.output_tokens() >= sequence.max_new_tokens) {
    Finish(sequence, FinishReason::kLength, absl::OkStatus(), now);
  }
}

void Scheduler::Finish(Sequence& sequence, FinishReason reason, absl::Status status, double now) {
  RecordCache(sequence, shape_, options_.geometry);
  blocks_.Release(sequence);
  RequestResult& result = sequence.result;
  result.reason = reason;
  result.status = std::move(status);
  result.finish_seconds = now;
  result.output.assign(sequence.tokens.begin() + sequence.prompt_tokens(), sequence.tokens.end());
  result.prompt = std::move(sequence.request.prompt);
  // What was reserved for steps that did not come.
  if (result.steps.capacity() / 2 > result.steps.size()) result.steps.shrink_to_fit();
  finished_.push_back(std::move(result));
  sequence.finished = true;
  by_id_.erase(sequence.id);
  deadlines_.erase({sequence.expires_seconds, sequence.id});
}

void Scheduler::RemoveFinished() {
  std::erase_if(running_, [](const SequencePtr& sequence) { return sequence->finished; });
}

std::vector<RequestResult> Scheduler::TakeFinished() { return std::exchange(finished_, {}); }

}  // namespace plumbline
