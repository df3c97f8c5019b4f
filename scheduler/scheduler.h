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

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "cache/block_mover.h"
#include "cache/block_pool.h"
#include "cache/kv_geometry.h"
#include "engine/cost_model.h"
#include "engine/machine_profile.h"
#include "scheduler/admission.h"
#include "scheduler/clock.h"
#include "scheduler/preemption.h"
#include "scheduler/queue_order.h"
#include "scheduler/request.h"
#include "scheduler/sampler.h"
#include "scheduler/sequence.h"
#include "scheduler/sequence_blocks.h"
#include "scheduler/step_event.h"
#include "scheduler/step_plan.h"
#include "scheduler/step_time_bound.h"
#include "scheduler/waiting_queue.h"

namespace plumbline {

struct SchedulerOptions {
  int step_tokens = 512;  // token budget of a step: decode spans and prompt chunks together
  int max_running = 256;  // sequences that hold blocks at once; at most step_tokens are used
  int context = 0;        // positions a sequence can have
  int vocab = 0;          // prompts' token ids lie below; 0: they are not checked
  KvGeometry geometry;    // of the store that the pool's blocks stand for
  QueuePolicy queue;      // who starts next
  AdmissionLimits limits;
  PreemptPolicy preemption;  // who makes room when the pool is empty, and how
  // Most seconds that running streams may wait for a step that also runs prompt tokens: beside
  // step_tokens, prompts are cut so that the step's predicted time keeps to it
  // (step_time_bound.h). 0, or no profile: no such bound.
  double itl_target_seconds = 0;
  // What those times are predicted from, and the costs of PreemptMode::kAuto; not owned, must
  // outlive the scheduler. May be null.
  const MachineProfile* profile = nullptr;
  // Full blocks with equal contents are shared between requests, and kept until the pool needs
  // them: what they hold is not computed again (prefix_index.h). Changes no token.
  // Without effect beside recompute_each_step.
  bool prefix_sharing = false;
  // Generation without a cache, as a counter-example to measure: a sequence that gets a token
  // forgets all it has computed, so that the next token recomputes the whole context from position
  // 0, in chunks of step_tokens. Sequences then run one at a time.
  bool recompute_each_step = false;
  // Copies blocks; not owned, must outlive the scheduler. Without one, samples of a prompt compute
  // the last, partial block of it each for themselves, and nothing is swapped.
  BlockMover* mover = nullptr;
};

// The step's outcome for one span that wanted logits.
using SampleOutcome = absl::StatusOr<SampledToken>;

class Scheduler {
 public:
  // `pool` and `clock` are not owned and must outlive the scheduler; nobody else takes blocks from
  // `pool`. `shape` gives the formula column of each request's cache.
  // REQUIRES: step_tokens, max_running and context are at least 1; the geometry is valid; the
  // queue's ageing is above 0.
  Scheduler(const SchedulerOptions& options, const CostShape& shape, BlockPool& pool,
            const Clock& clock);
  // Gives back all blocks; requests that have not finished get no result.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // What Add would say of the request; changes nothing.
  absl::Status Check(const Request& request) const;
  // Queues a request. InvalidArgument for an empty prompt, token ids outside the vocabulary, bad
  // limits, arrival, priority, deadline or sampling parameters, or a prompt longer than the
  // context; ResourceExhausted for a prompt that the whole pool could never hold (needed and had
  // named), and where the queue is full (when to come back is said: CheckAdmission). Returns the id
  // of the first sample; the others' ids follow it.
  // max_new_tokens is clamped so that prompt + output - 1 positions fit context and pool: the last
  // token is never fed back.
  absl::StatusOr<RequestId> Add(Request request);
  // The sample finishes with kCancelled at the next Plan. Unknown and finished ids are ignored.
  void Cancel(RequestId id);

  // Makes room in `*batch` for all that BuildBatch can make of this scheduler's plans.
  void Reserve(StepBatch* batch) const;
  // Picks the next step's spans: one token of every sequence that has one pending, in order of
  // their starts, then prompt chunks up to the budget (of started sequences first, then of waiting
  // ones in the order of the queue; nobody passes the first of them). Grows block tables all or
  // nothing; where the pool is empty a victim is preempted (PreemptPolicy), be it the one that
  // asks: it gives back all its blocks, and goes on before anybody else starts. Waiting sequences
  // start only where all their known tokens find free blocks, and preempt nobody. Finishes
  // cancelled and expired sequences. An empty plan means nothing is left to run. The plan stays
  // the scheduler's, and valid until Commit or Abort (a steady step allocates nothing).
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
  void Describe(const StepPlan& plan, StepEvent* event);

  // Finished requests since the last call, in order of finishing.
  std::vector<RequestResult> TakeFinished();

  bool has_work() const { return !waiting_.empty() || !running_.empty(); }
  const PrefixStats& prefix_stats() const { return blocks_.prefix_stats(); }
  const PreemptionStats& preemption_stats() const { return blocks_.preemption_stats(); }
  const StepTimeStats& step_time_stats() const { return bound_.stats(); }
  // Blocks that outlive their sequences, or may: with no request left, all that the pool misses.
  int num_indexed_blocks() const { return blocks_.num_indexed(); }
  int num_waiting() const { return waiting_.size(); }
  int num_running() const { return static_cast<int>(running_.size()); }

  // Internal error unless: pool counts agree with what the sequences hold, of host memory too; no
  // sequence is in two queues; running sequences, then preempted ones, stand in order of their
  // first starts (so none ever preempts an older one; with kFirstCome that is the order of Add,
  // also for those that never started; with PreemptVictim::kLargest it goes for those that wait
  // alone); tables cover what is computed, without a block too many; waiting sequences hold
  // nothing, or what was swapped out; only the newest running sequence lacks more than one token.
  // The last three rest while a plan is under way.
  absl::Status CheckInvariants() const;

 private:
  using SequencePtr = std::unique_ptr<Sequence>;

  static absl::Status CheckLimits(const Request& request);
  absl::Status CheckPrompt(absl::Span<const int32_t> prompt) const;
  int64_t CapacityTokens() const;
  void AddSample(Request request, RequestId first_sample, int sample);
  void FinishCancelledAndExpired(double now);
  // Takes it from where it is.
  void EndEarly(RequestId id, FinishReason reason, double now);
  int SizeRunning();
  int64_t BlocksForRunning(int newest_tokens) const;
  size_t Victim() const;
  bool PrefersSwap(const Sequence& victim) const;
  void Preempt(size_t at);
  void PutBack(size_t at);
  int PlanRunning(int newest_tokens);
  const Sequence* FindTwin(const Sequence& sequence) const;
  void AdmitWaiting(int budget);
  void ReserveFor(Sequence& sequence) const;
  void StampStart(Sequence& sequence);
  void AddSpan(Sequence& sequence, int count);
  void StampStep(Sequence& sequence, const StepPlan& plan, double now) const;
  void AppendToken(Sequence& sequence, SampleOutcome outcome, double now);
  void Finish(Sequence& sequence, FinishReason reason, absl::Status status, double now);
  void RemoveFinished();
  int64_t CountComputedOnce();
  absl::Status CheckOrder(const Sequence& before, const Sequence& after) const;
  absl::Status CheckSequence(const Sequence& sequence) const;

  SchedulerOptions options_;
  CostShape shape_;
  BlockPool& pool_;
  SequenceBlocks blocks_;
  const Clock& clock_;
  RequestId next_id_ = 1;  // ascending: a smaller id is an older request
  int64_t next_start_ = 1;
  StepTimeBound bound_;
  StepPlan plan_;  // empty unless a step is under way
  WaitingQueue waiting_;
  std::vector<SequencePtr> running_;  // in order of their last starts: the last is the newest
  absl::flat_hash_map<RequestId, Sequence*> by_id_;          // all that wait or run
  std::vector<RequestId> cancelled_;                         // since the last Plan
  absl::btree_set<std::pair<double, RequestId>> deadlines_;  // of those that have one
  QueueDrain drain_;
  std::vector<RequestResult> finished_;
  std::vector<bool> block_counted_;  // scratch of Describe, [num_blocks]
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_SCHEDULER_H_
