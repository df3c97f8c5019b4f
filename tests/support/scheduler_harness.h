// A scheduler with a fake executor, stepped by hand.
#ifndef PLUMBLINE_TESTS_SUPPORT_SCHEDULER_HARNESS_H_
#define PLUMBLINE_TESTS_SUPPORT_SCHEDULER_HARNESS_H_

#include <map>
#include <vector>

#include "absl/status/status.h"
#include "cache/block_pool.h"
#include "scheduler/ledger.h"
#include "scheduler/sampler.h"
#include "scheduler/scheduler.h"
#include "tests/support/fake_executor.h"
#include "tests/support/manual_clock.h"

namespace plumbline {

// One step's span, kept after the step.
struct SeenSpan {
  RequestId id = 0;
  int first_position = 0;
  int count = 0;
  int logit_rows = 0;
  bool operator==(const SeenSpan&) const = default;
};

class SchedulerHarness {
 public:
  explicit SchedulerHarness(const FakeExecutorOptions& options, int step_tokens = 16,
                            int max_running = 8)
      : executor(options, &clock),
        pool(options.num_blocks, [this](BlockId block) { executor.Forget(block); }),
        scheduler(Options(step_tokens, max_running), executor.cost_shape(), pool, clock) {}

  // One step; its spans (none where nothing ran).
  std::vector<SeenSpan> Step() {
    const StepPlan& plan = scheduler.Plan();
    std::vector<SeenSpan> seen;
    for (const PlannedSpan& span : plan.spans) {
      seen.push_back({span.sequence->id, span.first_position, span.count, span.logit_rows});
    }
    planned_invariants.Update(scheduler.CheckInvariants());
    if (!plan.empty()) Run(plan);
    for (RequestResult& result : scheduler.TakeFinished()) {
      ++times_finished[result.id];
      finished[result.id] = std::move(result);
    }
    return seen;
  }

  void RunUntilIdle() {
    while (scheduler.has_work()) Step();
  }

  // Alone in a scheduler of the same sizes.
  static RequestResult RunAlone(const FakeExecutorOptions& options, const Request& request) {
    SchedulerHarness alone(options);
    const absl::StatusOr<RequestId> id = alone.scheduler.Add(request);
    if (!id.ok()) {
      RequestResult rejected;
      rejected.reason = FinishReason::kError;
      rejected.status = id.status();
      return rejected;
    }
    alone.RunUntilIdle();
    return alone.finished[*id];
  }

  ManualClock clock;
  FakeExecutor executor;
  BlockPool pool;
  Scheduler scheduler;
  std::map<RequestId, RequestResult> finished;
  std::map<RequestId, int> times_finished;
  absl::Status planned_invariants;  // first broken one between Plan and Commit

 private:
  SchedulerOptions Options(int step_tokens, int max_running) const {
    SchedulerOptions options;
    options.step_tokens = step_tokens;
    options.max_running = max_running;
    options.context = executor.context();
    options.vocab = executor.vocab();
    options.geometry = executor.geometry();
    return options;
  }

  void Run(const StepPlan& plan) {
    BuildBatch(plan, &batch_);
    const auto logits = executor.Run(batch_, &work_);
    if (!logits.ok()) {
      scheduler.Abort(plan, logits.status());
      return;
    }
    RecordStep(plan, work_, executor.cost_shape());
    outcomes_.clear();
    const auto vocab = static_cast<size_t>(executor.vocab());
    for (const PlannedSpan& span : plan.spans) {
      if (span.logit_rows == 0) continue;
      const Sequence& sequence = *span.sequence;
      outcomes_.push_back(sampler_.Sample(logits->subspan(outcomes_.size() * vocab, vocab),
                                          sequence.request.sampling, sequence.tokens,
                                          sequence.output_tokens(), sequence.request.logprobs));
    }
    scheduler.Commit(plan, absl::MakeSpan(outcomes_));
  }

  StepBatch batch_;
  StepWork work_;
  Sampler sampler_;
  std::vector<SampleOutcome> outcomes_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_SCHEDULER_HARNESS_H_
