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
#include "engine/cost_model.h"
#include "scheduler/clock.h"
#include "scheduler/request.h"
#include "scheduler/sampler.h"
#include "scheduler/sequence.h"
#include "scheduler/step_event.h"
#include "scheduler/step_plan.h"

namespace plumbline {

struct SchedulerOptions {
  int step_tokens = 512;  // token budget of a step: decode spans and prompt chunks together
  int max_running = 256;  // sequences that hold blocks at once; at most step_tokens are used
  int context = 0;        // positions a sequence can have
  int vocab = 0;          // prompts' token ids lie below; 0: they are not checked
  KvGeometry geometry;    // of the store that the pool's blocks stand for
  // Generation without a cache, as a counter-example to measure: a sequence that gets a token
  // forgets all it has computed, so that the next token recomputes the whole context from position
  // 0, in chunks of step_tokens. Sequences then run one at a time.
  bool recompute_each_step = false;
};

// The step's outcome for one span that wanted logits.
using SampleOutcome = absl::StatusOr<SampledToken>;

class Scheduler {
 public:
  // `pool` and `clock` are not owned and must outlive the scheduler; nobody else takes blocks from
  // `pool`. `shape` gives the formula column of each request's cache.
  // REQUIRES: step_tokens, max_running and context are at least 1; the geometry is valid.
  Scheduler(const SchedulerOptions& options, const CostShape& shape, BlockPool& pool,
            const Clock& clock);
  // Gives back all blocks; requests that have not finished get no result.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // What Add would say of the request; changes nothing.
  absl::Status Check(const Request& request) const;
  // Queues a request. InvalidArgument for an empty prompt, token ids outside the vocabulary, bad
  // limits or sampling parameters, or a prompt longer than the context; ResourceExhausted for a
  // prompt that the whole pool could never hold (needed and had named). max_new_tokens is clamped
  // so that prompt + output - 1 positions fit context and pool: the last token is never fed back.
  absl::StatusOr<RequestId> Add(Request request);
  // The request finishes with kCancelled at the next Plan. Unknown and finished ids are ignored.
  void Cancel(RequestId id);

  // Picks the next step's spans: one token of every sequence that has one pending, in order of
  // admission, then prompt chunks (of started sequences first, then of waiting ones, first come
  // first served) up to the budget. Grows block tables all or nothing; where the pool is empty the
  // newest sequence is preempted, be it the one that asks: it gives back all its blocks and is
  // recomputed later. Waiting sequences start only where all their known tokens find free blocks,
  // and preempt nobody. Finishes cancelled sequences. An empty plan means nothing is left to run.
  // The plan stays the scheduler's, and valid until Commit or Abort (a steady step allocates
  // nothing).
  const StepPlan& Plan();

  // The only place where progress advances: marks the spans computed, appends sampled tokens (one
  // outcome per span with logit_rows, in order), finishes sequences and frees their blocks, and
  // calls on_token. A span whose outcome is an error ends its request with kError.
  // on_token must not call back into the scheduler (a session's mailbox is the way).
  // REQUIRES: `plan` is the last one, uncommitted; outcomes.size() == spans with logit_rows.
  void Commit(const StepPlan& plan, absl::Span<SampleOutcome> outcomes);
  // The step could not run: ends every request of the plan with kError and this status.
  void Abort(const StepPlan& plan, const absl::Status& status);

  // What the step does, apart from its end and its prediction; reuses the room of `*event`.
  // REQUIRES: `plan` is the last one, has run, and is uncommitted.
  void Describe(const StepPlan& plan, StepEvent* event) const;

  // Finished requests since the last call, in order of finishing.
  std::vector<RequestResult> TakeFinished();

  bool has_work() const { return !waiting_.empty() || !running_.empty(); }
  int num_waiting() const { return static_cast<int>(waiting_.size()); }
  int num_running() const { return static_cast<int>(running_.size()); }

  // Internal error unless: pool counts agree with what the sequences hold; running sequences, then
  // waiting ones, stand in order of arrival (so none is in two queues, and none ever preempts an
  // older one); tables cover what is computed, without a block too many; waiting sequences hold
  // nothing; only the newest running sequence lacks more than one token. The last three rest while
  // a plan is under way.
  absl::Status CheckInvariants() const;

 private:
  using SequencePtr = std::unique_ptr<Sequence>;

  Sequence* Find(RequestId id) const;
  int64_t CapacityTokens() const;
  void FinishCancelled(double now);
  bool GrowOrPreempt(Sequence& sequence, int64_t tokens);
  void PreemptNewest();
  void ForgetNewest();
  void AdmitWaiting(int budget);
  void AddSpan(Sequence& sequence, int count);
  void StampStep(Sequence& sequence, const StepPlan& plan, double now) const;
  void AppendToken(Sequence& sequence, SampleOutcome outcome, double now);
  void Finish(Sequence& sequence, FinishReason reason, absl::Status status, double now);
  void RemoveFinished();
  absl::Status CheckSequence(const Sequence& sequence, bool running) const;

  SchedulerOptions options_;
  CostShape shape_;
  BlockPool& pool_;
  const Clock& clock_;
  RequestId next_id_ = 1;  // ascending: a smaller id is an older request
  bool any_cancelled_ = false;
  StepPlan plan_;                     // empty unless a step is under way
  std::deque<SequencePtr> waiting_;   // first come first served; preempted ones return to the front
  std::vector<SequencePtr> running_;  // in order of admission: the last is the newest
  std::vector<RequestResult> finished_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_SCHEDULER_H_
