// The first half of a step: who runs, who makes room, who starts.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "scheduler/scheduler.h"

namespace plumbline {

const StepPlan& Scheduler::Plan() {
  plan_.Clear();
  plan_.start_seconds = clock_.NowSeconds();
  FinishCancelledAndExpired(plan_.start_seconds);
  int newest_tokens = SizeRunning();
  // One victim at a time. A sequence that is alone always fits: Add saw to that.
  while (BlocksForRunning(newest_tokens) > blocks_.available()) {
    Preempt(Victim());
    newest_tokens = SizeRunning();
  }
  AdmitWaiting(PlanRunning(newest_tokens));
  plan_.over_itl_target = bound_.CloseStep();
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

// How many tokens the newest running sequence gets, as many as budget and target allow. Only that
// one can lack more than one token, because nobody starts after one that was cut: all others get
// their one.
int Scheduler::SizeRunning() {
  bound_.Begin();
  if (running_.empty()) return 0;
  const Sequence& newest = *running_.back();
  if (bound_.active()) {
    for (const SequencePtr& sequence : running_) {
      if (sequence->pending_tokens() == 1) bound_.AddDecode(sequence->computed_tokens);
    }
  }
  if (newest.pending_tokens() == 1) return 1;
  const int budget = options_.step_tokens - (num_running() - 1);
  return bound_.AddPrompt(newest.computed_tokens, newest.pending_tokens(), budget);
}

// What the running sequences need to run these tokens.
int64_t Scheduler::BlocksForRunning(int newest_tokens) const {
  int64_t blocks = 0;
  for (const SequencePtr& sequence : running_) {
    const int count = sequence == running_.back() ? newest_tokens : 1;
    blocks += sequence->table.BlocksToGrow(int64_t{sequence->computed_tokens} + count);
  }
  return blocks;
}

size_t Scheduler::Victim() const {
  size_t victim = running_.size() - 1;
  if (options_.preemption.victim == PreemptVictim::kNewest) return victim;
  for (size_t at = victim; at-- > 0;) {
    const size_t blocks = running_[at]->table.blocks().size();
    if (blocks > running_[victim]->table.blocks().size()) victim = at;
  }
  return victim;
}

bool Scheduler::PrefersSwap(const Sequence& victim) const {
  if (options_.preemption.mode != PreemptMode::kAuto) {
    return options_.preemption.mode == PreemptMode::kSwap;
  }
  if (options_.profile == nullptr) return false;
  const int64_t bytes =
      options_.geometry.BlocksFor(victim.computed_tokens) * options_.geometry.BlockBytes();
  return SwapSeconds(*options_.profile, bytes) <
         RecomputeSeconds(*options_.profile, shape_, victim.computed_tokens);
}

void Scheduler::Preempt(size_t at) {
  Sequence& victim = *running_[at];
  ++victim.result.preemptions;
  plan_.preempted.push_back(&victim);
  victim.result.evictions.push_back({.evicted_seconds = plan_.start_seconds});
  blocks_.Preempt(victim, PrefersSwap(victim));
  PutBack(at);
}

// It waits again, ahead of all that never started.
void Scheduler::PutBack(size_t at) {
  SequencePtr sequence = std::move(running_[at]);
  running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(at));
  sequence->running = false;
  waiting_.AddPreempted(std::move(sequence));
}

// In order of their last starts, so decode spans come first. Returns the tokens left to others:
// none where the newest was cut.
int Scheduler::PlanRunning(int newest_tokens) {
  int budget = options_.step_tokens;
  bool cut = false;
  for (const SequencePtr& sequence : running_) {
    const int count = sequence == running_.back() ? newest_tokens : 1;
    blocks_.Grow(*sequence, int64_t{sequence->computed_tokens} + count);
    AddSpan(*sequence, count);
    budget -= count;
    cut = count < sequence->pending_tokens();
  }
  return cut ? 0 : budget;
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
    if (!bound_.HasRoom(static_cast<int>(sequence.tokens.size()) - 1)) return;
    const Sequence* twin = sequence.request.samples > 1 ? FindTwin(sequence) : nullptr;
    // The prompt will be there soon: rather wait than compute it a second time.
    if (twin != nullptr && twin->computed_tokens < sequence.prompt_tokens() - 1) return;
    ReserveFor(sequence);
    // Blocks for all known tokens must be free, though only a chunk's are taken: a sequence that
    // starts without them would soon be preempted again.
    if (!blocks_.Start(sequence, twin)) return;
    const int count = bound_.AddPrompt(sequence.computed_tokens, sequence.pending_tokens(), budget);
    blocks_.Grow(sequence, int64_t{sequence.computed_tokens} + count);
    running_.push_back(waiting_.PopFront());
    StampStart(sequence);
    AddSpan(sequence, count);
    // Nobody starts after one that was cut.
    budget = count < sequence.pending_tokens() ? 0 : budget - count;
  }
}

// So that its steps allocate nothing. Pages are taken when they are touched: a long limit costs
// addresses.
void Scheduler::ReserveFor(Sequence& sequence) const {
  const int64_t longest = int64_t{sequence.prompt_tokens()} + sequence.max_new_tokens;
  sequence.tokens.reserve(static_cast<size_t>(longest));
  sequence.table.Reserve(longest);
  const int least_chunk =
      std::min(StepTimeBound::kLeastPromptTokens, options_.step_tokens - options_.max_running + 1);
  const int64_t steps = sequence.max_new_tokens + sequence.prompt_tokens() / least_chunk + 1;
  sequence.result.steps.reserve(static_cast<size_t>(steps));
}

void Scheduler::StampStart(Sequence& sequence) {
  sequence.running = true;
  if (sequence.start_number == 0) {
    sequence.start_number = next_start_++;
    drain_.Left(plan_.start_seconds, sequence.prompt_tokens());
  }
  std::vector<Eviction>& evictions = sequence.result.evictions;
  if (!evictions.empty() && evictions.back().rescheduled_seconds < 0) {
    evictions.back().rescheduled_seconds = plan_.start_seconds;
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
