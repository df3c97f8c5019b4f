// Decides which tokens run in the next step: continuous batching, decode spans and prompt chunks
// mixed under a token budget (Orca, Yu et al. 2022; chunked prefill, Agrawal et al. 2023).
//
// The whole system is three calls:
//   plan = scheduler.Plan(); logits = executor.Run(batch(plan)); scheduler.Commit(plan, sampled)
//
// One thread owns scheduler and pool; nothing here is thread-safe. Session is the way in from
// other threads.
#ifndef PLUMBLINE_SCHEDULER_SCHEDULER_H_
#define PLUMBLINE_SCHEDULER_SCHEDULER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "cache/block_pool.h"
#include "cache/kv_geometry.h"
#include "engine/work.h"
#include "scheduler/clock.h"
#include "scheduler/request.h"
#include "scheduler/sampler.h"
#include "scheduler/sequence.h"
#include "scheduler/step_plan.h"

namespace plumbline {

struct SchedulerOptions {
  int step_tokens = 512;  // token budget of a step: decode spans and prompt chunks together
  int max_running = 256;  // sequences that hold blocks at once; at most step_tokens are used
  int context = 0;        // positions a sequence can have
  int block_tokens = 16;
};

// The step's outcome for one span that wanted logits.
using SampleOutcome = absl::StatusOr<SampledToken>;

class Scheduler {
 public:
  // `pool` and `clock` are not owned and must outlive the scheduler.
  Scheduler(const SchedulerOptions& options, BlockPool& pool, const Clock& clock);
  ~Scheduler();

  // Queues a request. InvalidArgument for an empty prompt, bad sampling parameters or a prompt
  // longer than the context; ResourceExhausted for a prompt that the whole pool could never hold
  // (needed and had named). max_new_tokens is clamped so that prompt + output - 1 positions fit
  // context and pool: the last token is never fed back.
  absl::StatusOr<RequestId> Add(Request request);
  // The request finishes with kCancelled at the next Plan. Unknown and finished ids are ignored.
  void Cancel(RequestId id);

  // Picks the next step's spans: one token of every sequence that has one pending, in order of
  // admission, then prompt chunks (of started sequences first, then of waiting ones, first come
  // first served) up to the budget. Grows block tables all or nothing; where the pool is empty the
  // newest sequence is preempted: it gives back all its blocks and is recomputed later. Finishes
  // cancelled sequences. An empty plan means nothing is left to run (or nothing can be: see
  // has_work).
  StepPlan Plan();

  // The only place where progress advances: marks the spans computed, appends sampled tokens (one
  // outcome per span with logit_rows, in order), finishes sequences and frees their blocks, and
  // calls on_token. A span whose outcome is an error ends its request with kError.
  // REQUIRES: `plan` is the last one, uncommitted; outcomes.size() == spans with logit_rows.
  void Commit(const StepPlan& plan, absl::Span<SampleOutcome> outcomes);
  // The step could not run: ends every request of the plan with kError and this status.
  void Abort(const StepPlan& plan, const absl::Status& status);

  // Finished requests since the last call, in order of finishing.
  std::vector<RequestResult> TakeFinished();

  bool has_work() const { return !waiting_.empty() || !running_.empty(); }
  int num_waiting() const { return static_cast<int>(waiting_.size()); }
  int num_running() const { return static_cast<int>(running_.size()); }

  // Pool counts agree with what the sequences hold; no sequence is in two queues; tables cover
  // what is computed; waiting sequences hold nothing.
  absl::Status CheckInvariants() const;

 private:
  using SequencePtr = std::unique_ptr<Sequence>;

  // Implementation helpers are the implementer's to add.
  SchedulerOptions options_;
  BlockPool& pool_;
  const Clock& clock_;
  RequestId next_id_ = 1;
  std::deque<SequencePtr> waiting_;   // first come first served; preempted ones return to the front
  std::vector<SequencePtr> running_;  // in order of admission: the last is the newest
  std::vector<RequestResult> finished_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_SCHEDULER_H_
