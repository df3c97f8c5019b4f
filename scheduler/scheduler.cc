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
      bound_(options.itl_target_seconds, options.profile, shape,
             std::min(options.max_running, options.step_tokens)),
      waiting_(options.queue) {
  // So that every running sequence gets a token in every step.
  options_.max_running = std::min(options.max_running, options.step_tokens);
  if (options.recompute_each_step) options_.max_running = 1;
  running_.reserve(static_cast<size_t>(options_.max_running));
  plan_.spans.reserve(static_cast<size_t>(options_.max_running));
  plan_.preempted.reserve(static_cast<size_t>(options_.max_running));
}

Scheduler::~Scheduler() {
  for (const SequencePtr& sequence : running_) blocks_.Release(*sequence);
}

int64_t Scheduler::CapacityTokens() const {
  const int64_t blocks = pool_.num_blocks();
  return std::min<int64_t>(options_.context, blocks * options_.geometry.block_tokens);
}

void Scheduler::Reserve(StepBatch* batch) const {
  const auto tokens = static_cast<size_t>(options_.step_tokens);
  const auto spans = static_cast<size_t>(options_.max_running);
  batch->token_ids.reserve(tokens);
  batch->positions.reserve(tokens);
  batch->spans.reserve(spans);
  // Shared blocks stand in several tables: this many ids at most, up to some megabytes.
  constexpr int64_t kMostIds = int64_t{1} << 22;
  const int64_t table = options_.geometry.BlocksFor(CapacityTokens());
  batch->block_ids.reserve(static_cast<size_t>(std::min(kMostIds, options_.max_running * table)));
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

}  // namespace plumbline
