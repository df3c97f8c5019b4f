#include "scheduler/scheduler.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"

namespace plumbline {

Scheduler::Scheduler(const SchedulerOptions& options, const CostShape& shape, BlockPool& pool,
                     const Clock& clock)
    : options_(options), shape_(shape), pool_(pool), clock_(clock) {
  // So that every running sequence gets a token in every step.
  options_.max_running = std::min(options.max_running, options.step_tokens);
  if (options.recompute_each_step) options_.max_running = 1;
  running_.reserve(static_cast<size_t>(options_.max_running));
  plan_.spans.reserve(static_cast<size_t>(options_.max_running));
  plan_.preempted.reserve(static_cast<size_t>(options_.max_running));
}

Scheduler::~Scheduler() {
  for (const SequencePtr& sequence : running_) sequence->table.Clear(pool_);
}

int64_t Scheduler::CapacityTokens() const {
  const int64_t blocks = pool_.num_blocks();
  return std::min<int64_t>(options_.context, blocks * options_.geometry.block_tokens);
}

absl::Status Scheduler::Check(const Request& request) const {
  if (request.prompt.empty()) {
    return absl::InvalidArgumentError("prompt: at least 1 token is needed, got 0; give some text");
  }
  if (request.max_new_tokens < 1) {
    return absl::InvalidArgumentError(absl::StrCat("max_new_tokens must be at least 1, got ",
                                                   request.max_new_tokens, "; ask for more"));
  }
  if (request.logprobs < 0) {
    return absl::InvalidArgumentError(absl::StrCat("logprobs must be at least 0, got ",
                                                   request.logprobs, "; ask for none with 0"));
  }
  if (absl::Status status = ValidateSampling(request.sampling); !status.ok()) return status;
  const auto tokens = static_cast<int64_t>(request.prompt.size());
  if (tokens > options_.context) {
    return absl::InvalidArgumentError(absl::StrCat("prompt: ", tokens,
                                                   " tokens do not fit the context of ",
                                                   options_.context, "; shorten the prompt"));
  }
  if (tokens > CapacityTokens()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "prompt: ", tokens, " tokens need ", options_.geometry.BlocksFor(tokens),
        " cache blocks of ", options_.geometry.block_tokens, " tokens, the whole cache has ",
        pool_.num_blocks(), "; shorten the prompt or give the cache more memory"));
  }
  if (options_.vocab == 0) return absl::OkStatus();
  for (const int32_t token : request.prompt) {
    if (token < 0 || token >= options_.vocab) {
      return absl::InvalidArgumentError(absl::StrCat("prompt: token id ", token,
                                                     " is outside the vocabulary of ",
                                                     options_.vocab, "; use ids below it"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<RequestId> Scheduler::Add(Request request) {
  if (absl::Status status = Check(request); !status.ok()) return status;
  auto sequence = std::make_unique<Sequence>(options_.geometry.block_tokens);
  sequence->id = next_id_++;
  const auto prompt_tokens = static_cast<int64_t>(request.prompt.size());
  // The last output token is never fed back, so it needs no slot.
  sequence->max_new_tokens = static_cast<int>(
      std::min<int64_t>(request.max_new_tokens, CapacityTokens() - prompt_tokens + 1));
  sequence->tokens = request.prompt;
  sequence->result.id = sequence->id;
  sequence->result.arrival_seconds = request.arrival_seconds;
  sequence->request = std::move(request);
  waiting_.push_back(std::move(sequence));
  return waiting_.back()->id;
}

Sequence* Scheduler::Find(RequestId id) const {
  const auto same = [id](const SequencePtr& sequence) { return sequence->id == id; };
  if (auto it = std::find_if(running_.begin(), running_.end(), same); it != running_.end()) {
    return it->get();
  }
  auto it = std::find_if(waiting_.begin(), waiting_.end(), same);
  return it != waiting_.end() ? it->get() : nullptr;
}

void Scheduler::Cancel(RequestId id) {
  if (Sequence* sequence = Find(id); sequence != nullptr) {
    sequence->cancelled = true;
    any_cancelled_ = true;
  }
}

const StepPlan& Scheduler::Plan() {
  plan_.spans.clear();
  plan_.preempted.clear();
  plan_.start_seconds = clock_.NowSeconds();
  if (any_cancelled_) FinishCancelled(plan_.start_seconds);
  int budget = options_.step_tokens;
  // In order of admission. Only the newest sequence can lack more than one token, because nobody
  // is admitted after one that was cut: so this puts decode spans first, and leaves at least one
  // token for the newest.
  // NOLINTNEXTLINE(modernize-loop-convert): a preemption shrinks running_ under way
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    const int count = std::min(sequence.pending_tokens(), budget);
    if (!GrowOrPreempt(sequence, int64_t{sequence.computed_tokens} + count)) break;
    AddSpan(sequence, count);
    budget -= count;
  }
  AdmitWaiting(budget);
  return plan_;
}

void Scheduler::FinishCancelled(double now) {
  any_cancelled_ = false;
  const auto finish = [&](const SequencePtr& sequence) {
    if (sequence->cancelled) {
      Finish(*sequence, FinishReason::kCancelled, absl::OkStatus(), now);
    }
  };
  std::for_each(running_.begin(), running_.end(), finish);
  std::for_each(waiting_.begin(), waiting_.end(), finish);
  RemoveFinished();
  std::erase_if(waiting_, [](const SequencePtr& sequence) { return sequence->finished; });
}

// False where `sequence` itself was the newest, and had to give way.
bool Scheduler::GrowOrPreempt(Sequence& sequence, int64_t tokens) {
  while (sequence.table.BlocksToGrow(tokens) > pool_.num_free()) {
    const bool itself = running_.back().get() == &sequence;
    PreemptNewest();
    if (itself) return false;
  }
  return sequence.table.Grow(tokens, pool_).ok();
}

void Scheduler::PreemptNewest() {
  ++running_.back()->result.preemptions;
  plan_.preempted.push_back(running_.back().get());
  ForgetNewest();
}

// It waits again, first in line, as if it had never started.
void Scheduler::ForgetNewest() {
  SequencePtr sequence = std::move(running_.back());
  running_.pop_back();
  sequence->table.Clear(pool_);
  sequence->computed_tokens = 0;
  waiting_.push_front(std::move(sequence));
}

void Scheduler::AdmitWaiting(int budget) {
  while (budget > 0 && !waiting_.empty() && num_running() < options_.max_running) {
    Sequence& sequence = *waiting_.front();
    // Blocks for all known tokens must be free, though only a chunk's are taken: a sequence that
    // starts without them would soon be preempted again.
    const auto known = static_cast<int64_t>(sequence.tokens.size());
    if (sequence.table.BlocksToGrow(known) > pool_.num_free()) return;
    const int64_t longest = known + sequence.max_new_tokens - sequence.output_tokens();
    sequence.tokens.reserve(static_cast<size_t>(longest));
    sequence.table.Reserve(longest);
    sequence.result.steps.reserve(static_cast<size_t>(std::min(sequence.max_new_tokens, 1024)) + 1);
    const int count = std::min(sequence.pending_tokens(), budget);
    if (!sequence.table.Grow(count, pool_).ok()) return;
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
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
