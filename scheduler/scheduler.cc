#include "scheduler/scheduler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"

namespace plumbline {

Scheduler::Scheduler(const SchedulerOptions& options, const CostShape& shape, BlockPool& pool,
                     const Clock& clock)
    : options_(options),
      shape_(shape),
      pool_(pool),
      blocks_(pool, options.geometry.block_tokens,
              options.prefix_sharing && !options.recompute_each_step, options.mover),
      clock_(clock),
      waiting_(options.queue) {
  // So that every running sequence gets a token in every step.
  options_.max_running = std::min(options.max_running, options.step_tokens);
  if (options.recompute_each_step) options_.max_running = 1;
  running_.reserve(static_cast<size_t>(options_.max_running));
  plan_.spans.reserve(static_cast<size_t>(options_.max_running));
}

Scheduler::~Scheduler() {
  for (const SequencePtr& sequence : running_) blocks_.Release(*sequence);
}

int64_t Scheduler::CapacityTokens() const {
  const int64_t blocks = pool_.num_blocks();
  return std::min<int64_t>(options_.context, blocks * options_.geometry.block_tokens);
}

absl::StatusOr<RequestId> Scheduler::Add(Request request) {
  if (absl::Status status = Check(request); !status.ok()) return status;
  const RequestId first = next_id_;
  for (int sample = 0; sample < request.samples - 1; ++sample) AddSample(request, first, sample);
  const int last = request.samples - 1;
  AddSample(std::move(request), first, last);
  return first;
}

void Scheduler::AddSample(Request request, RequestId first_sample, int sample) {
  auto sequence = std::make_unique<Sequence>(options_.geometry.block_tokens);
  const RequestId id = sequence->id = next_id_++;
  sequence->first_sample = first_sample;
  const auto prompt_tokens = static_cast<int64_t>(request.prompt.size());
  // The last output token is never fed back, so it needs no slot.
  sequence->max_new_tokens = static_cast<int>(
      std::min<int64_t>(request.max_new_tokens, CapacityTokens() - prompt_tokens + 1));
  sequence->tokens = request.prompt;
  sequence->result.id = id;
  sequence->result.sample = sample;
  sequence->result.arrival_seconds = request.arrival_seconds;
  if (request.deadline_seconds > 0) {
    sequence->expires_seconds = request.arrival_seconds + request.deadline_seconds;
  }
  sequence->request = std::move(request);
  sequence->request.sampling.seed += static_cast<uint64_t>(sample);
  by_id_[id] = sequence.get();
  if (std::isfinite(sequence->expires_seconds)) deadlines_.insert({sequence->expires_seconds, id});
  waiting_.AddFresh(std::move(sequence));
}

void Scheduler::Cancel(RequestId id) {
  if (by_id_.contains(id)) cancelled_.push_back(id);
}

const StepPlan& Scheduler::Plan() {
  plan_.spans.clear();
  plan_.start_seconds = clock_.NowSeconds();
  FinishCancelledAndExpired(plan_.start_seconds);
  PreemptUntilStepFits();
  int budget = options_.step_tokens;
  PlanRunning(&budget);
  AdmitWaiting(budget);
  return plan_;
}

void Scheduler::FinishCancelledAndExpired(double now) {
  for (const RequestId id : cancelled_) {
    EndEarly(id, FinishReason::kCancelled, now);
  }
  cancelled_.clear();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    EndEarly(deadlines_.begin()->second, FinishReason::kExpired, now);
  }
  RemoveFinished();
}

void Scheduler::EndEarly(RequestId id, FinishReason reason, double now) {
  const auto at = by_id_.find(id);
  if (at == by_id_.end()) return;
  Sequence& sequence = *at->second;
  const SequencePtr waited = sequence.running ? nullptr : waiting_.Take(sequence);
  absl::Status status;
  if (reason == FinishReason::kExpired) {
    status = absl::DeadlineExceededError(
        absl::StrCat("deadline: ", sequence.request.deadline_seconds,
                     " s after arrival are over, with ", sequence.output_tokens(), " of ",
                     sequence.max_new_tokens, " tokens made; allow more time, or ask for less"));
  }
  Finish(sequence, reason, std::move(status), now);
}

// What the running sequences need to run their next tokens, as far as the budget goes.
int64_t Scheduler::BlocksForRunning() const {
  int64_t blocks = 0;
  int budget = options_.step_tokens;
  for (const SequencePtr& sequence : running_) {
    const int count = std::min(sequence->pending_tokens(), budget);
    blocks += sequence->table.BlocksToGrow(int64_t{sequence->computed_tokens} + count);
    budget -= count;
  }
  return blocks;
}

// One victim at a time. A sequence that is alone always fits: Add saw to that.
void Scheduler::PreemptUntilStepFits() {
  while (BlocksForRunning() > blocks_.available()) {
    ++running_.back()->result.preemptions;
    ForgetNewest();
  }
}

// It waits again, ahead of all that never started.
void Scheduler::ForgetNewest() {
  SequencePtr sequence = std::move(running_.back());
  running_.pop_back();
  blocks_.Release(*sequence);
  sequence->running = false;
  waiting_.AddPreempted(std::move(sequence));
}

// In order of their starts. Only the newest sequence can lack more than one token, because nobody
// starts after one that was cut: so this puts decode spans first, and leaves at least one token for
// the newest.
void Scheduler::PlanRunning(int* budget) {
  for (const SequencePtr& sequence : running_) {
    const int count = std::min(sequence->pending_tokens(), *budget);
    blocks_.Grow(*sequence, int64_t{sequence->computed_tokens} + count);
    AddSpan(*sequence, count);
    *budget -= count;
  }
}

// The running sample of the same prompt that has come furthest; null where none runs.
const Sequence* Scheduler::FindTwin(const Sequence& sequence) const {
  const Sequence* twin = nullptr;
  for (const SequencePtr& other : running_) {
    if (other->first_sample != sequence.first_sample) continue;
    if (twin == nullptr || other->computed_tokens > twin->computed_tokens) twin = other.get();
  }
  return twin;
}

void Scheduler::AdmitWaiting(int budget) {
  while (budget > 0 && !waiting_.empty() && num_running() < options_.max_running) {
    Sequence& sequence = waiting_.front();
    const Sequence* twin = sequence.request.samples > 1 ? FindTwin(sequence) : nullptr;
    // The prompt will be there soon: rather wait than compute it a second time.
    if (twin != nullptr && twin->computed_tokens < sequence.prompt_tokens() - 1) return;
    const int64_t longest = int64_t{sequence.prompt_tokens()} + sequence.max_new_tokens;
    sequence.tokens.reserve(static_cast<size_t>(longest));
    sequence.table.Reserve(longest);
    sequence.result.steps.reserve(static_cast<size_t>(std::min(sequence.max_new_tokens, 1024)) + 1);
    // Blocks for all known tokens must be free, though only a chunk's are taken: a sequence that
    // starts without them would soon be preempted again.
    if (!blocks_.Start(sequence, twin)) return;
    const int count = std::min(sequence.pending_tokens(), budget);
    blocks_.Grow(sequence, int64_t{sequence.computed_tokens} + count);
    running_.push_back(waiting_.PopFront());
    sequence.running = true;
    if (sequence.start_number == 0) {
      sequence.start_number = next_start_++;
      drain_.Left(plan_.start_seconds, sequence.prompt_tokens());
    }
    AddSpan(sequence, count);
    budget -= count;
  }
}

void Scheduler::AddSpan(Sequence& sequence, int count) {
  PlannedSpan span;
  span.sequence = &sequence;
  span.first_position = sequence.computed_tokens;
  span.count = count;
  span.logit_rows = count == sequence.pending_tokens() ? 1 : 0;
  plan_.spans.push_back(span);
}

}  // namespace plumbline
