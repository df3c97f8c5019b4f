// What Add accepts, and what must hold between calls.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "scheduler/scheduler.h"

namespace plumbline {

absl::Status Scheduler::Check(const Request& request) const {
  if (absl::Status status = CheckLimits(request); !status.ok()) return status;
  if (absl::Status status = CheckPrompt(request.prompt); !status.ok()) return status;
  return CheckAdmission(
      options_.limits, {waiting_.fresh_requests(), waiting_.fresh_tokens()},
      {request.samples, request.samples * static_cast<int64_t>(request.prompt.size())}, drain_,
      clock_.NowSeconds());
}

absl::Status Scheduler::CheckLimits(const Request& request) {
  if (request.max_new_tokens < 1) {
    return absl::InvalidArgumentError(absl::StrCat("max_new_tokens must be at least 1, got ",
                                                   request.max_new_tokens, "; ask for more"));
  }
  if (request.samples < 1 || request.samples > kMaxSamples) {
    return absl::InvalidArgumentError(absl::StrCat("samples must be from 1 to ", kMaxSamples,
                                                   ", got ", request.samples,
                                                   "; ask for one of these"));
  }
  if (request.logprobs < 0) {
    return absl::InvalidArgumentError(absl::StrCat("logprobs must be at least 0, got ",
                                                   request.logprobs, "; ask for none with 0"));
  }
  if (!std::isfinite(request.arrival_seconds)) {
    return absl::InvalidArgumentError(absl::StrCat("arrival_seconds must be finite, got ",
                                                   request.arrival_seconds,
                                                   "; give a time of the session's clock"));
  }
  if (std::abs(int64_t{request.priority}) > kMaxPriority) {
    return absl::InvalidArgumentError(absl::StrCat("priority must be from ", -kMaxPriority, " to ",
                                                   kMaxPriority, ", got ", request.priority,
                                                   "; give one of these"));
  }
  if (!(request.deadline_seconds >= 0)) {  // nor NaN
    return absl::InvalidArgumentError(absl::StrCat("deadline_seconds must be at least 0, got ",
                                                   request.deadline_seconds,
                                                   "; ask for none with 0"));
  }
  return ValidateSampling(request.sampling);
}

absl::Status Scheduler::CheckPrompt(absl::Span<const int32_t> prompt) const {
  if (prompt.empty()) {
    return absl::InvalidArgumentError("prompt: at least 1 token is needed, got 0; give some text");
  }
  const auto tokens = static_cast<int64_t>(prompt.size());
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
  for (const int32_t token : prompt) {
    if (token < 0 || token >= options_.vocab) {
      return absl::InvalidArgumentError(absl::StrCat("prompt: token id ", token,
                                                     " is outside the vocabulary of ",
                                                     options_.vocab, "; use ids below it"));
    }
  }
  return absl::OkStatus();
}

absl::Status Scheduler::CheckSequence(const Sequence& sequence) const {
  const auto fail = [&](absl::string_view what) {
    return absl::InternalError(absl::StrCat(
        "scheduler: request ", sequence.id, " ", what, " (", sequence.tokens.size(), " tokens, ",
        sequence.computed_tokens, " computed, ", sequence.table.blocks().size(), " blocks)"));
  };
  const auto blocks = static_cast<int64_t>(sequence.table.blocks().size());
  if (sequence.finished) return fail("is finished, but still queued");
  if (sequence.pending_tokens() < 1) return fail("has nothing to compute, but is not finished");
  if (sequence.output_tokens() >= sequence.max_new_tokens) return fail("is past its limit");
  if (const auto at = by_id_.find(sequence.id); at == by_id_.end() || at->second != &sequence) {
    return fail("cannot be found by its id");
  }
  const auto host_blocks = static_cast<int64_t>(sequence.host_table.blocks().size());
  if (host_blocks != options_.geometry.BlocksFor(sequence.swapped_tokens)) {
    return fail("holds host memory without tokens");
  }
  if (!sequence.running) {
    return blocks == 0 && sequence.computed_tokens == 0 ? absl::OkStatus()
                                                        : fail("waits, but holds blocks");
  }
  if (host_blocks > 0) return fail("runs, but is swapped out");
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

absl::Status Scheduler::CheckOrder(const Sequence& before, const Sequence& after) const {
  const bool any_victim = options_.preemption.victim != PreemptVictim::kNewest;
  if (any_victim && before.running) return absl::OkStatus();
  const bool in_turn = after.running || !after.queue_key.fresh
                           ? before.start_number < after.start_number
                           : before.running || before.queue_key < after.queue_key;
  const bool first_come = options_.queue.order == QueueOrder::kFirstCome;
  if (in_turn && (!first_come || before.id < after.id)) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("scheduler: request ", after.id, " stands behind request ", before.id));
}

absl::Status Scheduler::CheckInvariants() const {
  std::vector<BlockId> owned;
  std::vector<BlockId> host_owned;
  const Sequence* last = nullptr;
  const auto check = [&](const Sequence& sequence, bool running) {
    if (sequence.running != running) return absl::InternalError("scheduler: in the wrong queue");
    if (last != nullptr) {
      if (absl::Status status = CheckOrder(*last, sequence); !status.ok()) return status;
    }
    last = &sequence;
    const absl::Span<const BlockId> blocks = sequence.table.blocks();
    owned.insert(owned.end(), blocks.begin(), blocks.end());
    const absl::Span<const BlockId> host_blocks = sequence.host_table.blocks();
    host_owned.insert(host_owned.end(), host_blocks.begin(), host_blocks.end());
    return CheckSequence(sequence);
  };
  for (const SequencePtr& sequence : running_) {
    if (absl::Status status = check(*sequence, true); !status.ok()) return status;
  }
  for (const auto& [key, sequence] : waiting_) {
    if (absl::Status status = check(*sequence, false); !status.ok()) return status;
  }
  if (by_id_.size() != running_.size() + static_cast<size_t>(waiting_.size())) {
    return absl::InternalError(absl::StrCat("scheduler: ", by_id_.size(), " ids for ",
                                            num_running(), " running and ", num_waiting(),
                                            " waiting requests"));
  }
  const auto deadlines = std::count_if(by_id_.begin(), by_id_.end(), [](const auto& entry) {
    return std::isfinite(entry.second->expires_seconds);
  });
  if (deadlines != static_cast<std::ptrdiff_t>(deadlines_.size())) {
    return absl::InternalError(absl::StrCat("scheduler: ", deadlines_.size(), " deadlines for ",
                                            deadlines, " requests that have one"));
  }
  if (num_running() > options_.max_running) {
    return absl::InternalError(absl::StrCat("scheduler: ", num_running(), " sequences run, of ",
                                            options_.max_running, " allowed"));
  }
  blocks_.AppendOwned(&owned);
  if (absl::Status status = blocks_.CheckInvariants(host_owned); !status.ok()) return status;
  return pool_.CheckInvariants(owned);
}

}  // namespace plumbline
