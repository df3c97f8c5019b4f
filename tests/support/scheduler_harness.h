// A scheduler with a fake executor, stepped by hand.
#ifndef PLUMBLINE_TESTS_SUPPORT_SCHEDULER_HARNESS_H_
#define PLUMBLINE_TESTS_SUPPORT_SCHEDULER_HARNESS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "cache/block_pool.h"
#include "gtest/gtest.h"
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
  // `tune`, where given, changes the options further.
  explicit SchedulerHarness(const FakeExecutorOptions& options, int step_tokens = 16,
                            int max_running = 8,
                            const std::function<void(SchedulerOptions&)>& tune = nullptr)
      : executor(options, &clock),
        pool(options.num_blocks, [this](BlockId block) { executor.Forget(block); }),
        scheduler(Options(step_tokens, max_running, tune), executor.cost_shape(), pool, clock) {}

  // One step; its spans (none where nothing ran).
  std::vector<SeenSpan> Step() {
    const StepPlan& plan = scheduler.Plan();
    std::vector<SeenSpan> seen;
    for (const PlannedSpan& span : plan.spans) {
      seen.push_back({span.sequence->id, span.first_position, span.count, span.logit_rows});
    }
    planned_invariants.Update(scheduler.CheckInvariants());
    planned_used_blocks = pool.num_used();
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
  int64_t planned_used_blocks = 0;  // of the pool, after the last Plan

 private:
  SchedulerOptions Options(int step_tokens, int max_running,
                           const std::function<void(SchedulerOptions&)>& tune) {
    SchedulerOptions options;
    options.step_tokens = step_tokens;
    options.max_running = max_running;
    options.context = executor.context();
    options.vocab = executor.vocab();
    options.geometry = executor.geometry();
    options.mover = &executor;
    if (tune) tune(options);
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

// A greedy request whose prompt counts up from `first_token`, modulo the fake vocabulary of 50.
inline Request MakeRequest(int prompt_tokens, int max_new_tokens, int32_t first_token = 1) {
  Request request;
  request.prompt.resize(static_cast<size_t>(prompt_tokens));
  std::iota(request.prompt.begin(), request.prompt.end(), first_token);
  for (int32_t& token : request.prompt) token %= 50;
  request.max_new_tokens = max_new_tokens;
  return request;
}

// The id of an added request; a test failure where it is rejected.
inline RequestId MustAdd(SchedulerHarness& harness, Request request) {
  const absl::StatusOr<RequestId> id = harness.scheduler.Add(std::move(request));
  EXPECT_TRUE(id.ok()) << id.status();
  return id.value_or(-1);
}

// Nothing went wrong on the way, and nothing is left.
inline void ExpectCleanEnd(const SchedulerHarness& harness) {
  EXPECT_TRUE(harness.executor.violation().ok()) << harness.executor.violation();
  EXPECT_TRUE(harness.planned_invariants.ok()) << harness.planned_invariants;
  const absl::Status status = harness.scheduler.CheckInvariants();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_FALSE(harness.scheduler.has_work());
  EXPECT_EQ(harness.pool.num_used(), harness.scheduler.num_indexed_blocks());
}

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_SCHEDULER_HARNESS_H_
