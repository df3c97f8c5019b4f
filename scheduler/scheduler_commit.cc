// The second half of a step: progress, ends and results.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/ledger.h"
#include "scheduler/scheduler.h"

namespace plumbline {

void Scheduler::Commit(const StepPlan& plan, absl::Span<SampleOutcome> outcomes) {
  const double now = plan_.end_seconds = clock_.NowSeconds();
  size_t next = 0;
  for (const PlannedSpan& span : plan.spans) {
    Sequence& sequence = *span.sequence;
    sequence.computed_tokens += span.count;
    StampStep(sequence, plan, now);
    if (span.logit_rows > 0) AppendToken(sequence, std::move(outcomes[next++]), now);
  }
  RemoveFinished();
  plan_.spans.clear();
  // The only sequence that ran has a new token and goes on.
  if (options_.recompute_each_step && next > 0 && !running_.empty()) ForgetNewest();
}

void Scheduler::Abort(const StepPlan& plan, const absl::Status& status) {
  const double now = plan_.end_seconds = clock_.NowSeconds();
  for (const PlannedSpan& span : plan.spans) {
    StampStep(*span.sequence, plan, now);
    Finish(*span.sequence, FinishReason::kError, status, now);
  }
  RemoveFinished();
  plan_.spans.clear();
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
  TokenEvent event{sequence.id, outcome->token, now, {}};
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
  sequence.table.Clear(pool_);
  RequestResult& result = sequence.result;
  result.reason = reason;
  result.status = std::move(status);
  result.finish_seconds = now;
  result.output.assign(sequence.tokens.begin() + sequence.prompt_tokens(), sequence.tokens.end());
  result.prompt = std::move(sequence.request.prompt);
  finished_.push_back(std::move(result));
  sequence.finished = true;
}

void Scheduler::RemoveFinished() {
  std::erase_if(running_, [](const SequencePtr& sequence) { return sequence->finished; });
}

std::vector<RequestResult> Scheduler::TakeFinished() { return std::exchange(finished_, {}); }

absl::Status Scheduler::CheckSequence(const Sequence& sequence, bool running) const {
  const auto fail = [&](absl::string_view what) {
    return absl::InternalError(absl::StrCat(
        "scheduler: request ", sequence.id, " ", what, " (", sequence.tokens.size(), " tokens, ",
        sequence.computed_tokens, " computed, ", sequence.table.blocks().size(), " blocks)"));
  };
  const auto blocks = static_cast<int64_t>(sequence.table.blocks().size());
  if (sequence.finished) return fail("is finished, but still queued");
  if (sequence.pending_tokens() < 1) return fail("has nothing to compute, but is not finished");
  if (sequence.output_tokens() >= sequence.max_new_tokens) return fail("is past its limit");
  if (!running) {
    return blocks == 0 && sequence.computed_tokens == 0 ? absl::OkStatus()
                                                        : fail("waits, but holds blocks");
  }
  if (sequence.table.capacity_tokens() < sequence.computed_tokens) {
    return fail("has tokens outside its blocks");
  }
  if (!plan_.empty()) return absl::OkStatus();
  if (sequence.computed_tokens < 1) return fail("runs, but has computed nothing");
  if (blocks != options_.geometry.BlocksFor(sequence.computed_tokens)) {
    return fail("holds blocks without tokens");
  }
  if (sequence.pending_tokens() > 1 && &sequence != running_.back().get()) {
    return fail("was cut, but is not the newest");
  }
  return absl::OkStatus();
}

absl::Status Scheduler::CheckInvariants() const {
  std::vector<BlockId> owned;
  RequestId last = 0;
  const auto check = [&](const Sequence& sequence, bool running) {
    if (sequence.id <= last) {
      return absl::InternalError(
          absl::StrCat("scheduler: request ", sequence.id, " stands behind request ", last));
    }
    last = sequence.id;
    const absl::Span<const BlockId> blocks = sequence.table.blocks();
    owned.insert(owned.end(), blocks.begin(), blocks.end());
    return CheckSequence(sequence, running);
  };
  for (const SequencePtr& sequence : running_) {
    if (absl::Status status = check(*sequence, true); !status.ok()) return status;
  }
  for (const SequencePtr& sequence : waiting_) {
    if (absl::Status status = check(*sequence, false); !status.ok()) return status;
  }
  if (num_running() > options_.max_running) {
    return absl::InternalError(absl::StrCat("scheduler: ", num_running(), " sequences run, of ",
                                            options_.max_running, " allowed"));
  }
  return pool_.CheckInvariants(owned);
}

}  // namespace plumbline
