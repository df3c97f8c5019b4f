// What runs in which step, and who gives way.
#include "scheduler/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/scheduler_harness.h"

namespace plumbline::scheduler_test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Scheduler, PromptRunsInChunksAndOnlyTheLastWantsLogits) {
  SchedulerHarness harness({}, /*step_tokens=*/4);
  const RequestId id = MustAdd(harness, MakeRequest(10, 3));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{id, 0, 4, 0}));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{id, 4, 4, 0}));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{id, 8, 2, 1}));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{id, 10, 1, 1}));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{id, 11, 1, 1}));
  EXPECT_THAT(harness.Step(), IsEmpty());
  ASSERT_EQ(harness.times_finished[id], 1);
  EXPECT_EQ(harness.finished[id].reason, FinishReason::kLength);
  EXPECT_EQ(harness.finished[id].output.size(), 3u);
  EXPECT_EQ(harness.finished[id].prompt, MakeRequest(10, 3).prompt);
  ExpectCleanEnd(harness);
}

TEST(Scheduler, DecodeSpansComeFirstThenChunksFirstComeFirstServed) {
  SchedulerHarness harness({.num_blocks = 64}, /*step_tokens=*/6);
  const RequestId a = MustAdd(harness, MakeRequest(2, 8));
  const RequestId b = MustAdd(harness, MakeRequest(3, 8));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{a, 0, 2, 1}, SeenSpan{b, 0, 3, 1}));
  const RequestId c = MustAdd(harness, MakeRequest(7, 8));
  const RequestId d = MustAdd(harness, MakeRequest(3, 8));
  EXPECT_THAT(harness.Step(),
              ElementsAre(SeenSpan{a, 2, 1, 1}, SeenSpan{b, 3, 1, 1}, SeenSpan{c, 0, 4, 0}));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{a, 3, 1, 1}, SeenSpan{b, 4, 1, 1},
                                          SeenSpan{c, 4, 3, 1}, SeenSpan{d, 0, 1, 0}));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{a, 4, 1, 1}, SeenSpan{b, 5, 1, 1},
                                          SeenSpan{c, 7, 1, 1}, SeenSpan{d, 1, 2, 1}));
  harness.RunUntilIdle();
  EXPECT_EQ(harness.executor.largest_step_tokens(), 6);
  ExpectCleanEnd(harness);
}

TEST(Scheduler, RunsNoMoreSequencesThanAllowedOrThanTokensInAStep) {
  for (const auto& [step_tokens, max_running] : {std::pair{16, 2}, std::pair{2, 8}}) {
    SchedulerHarness harness({.num_blocks = 64}, step_tokens, max_running);
    for (int i = 0; i < 4; ++i) MustAdd(harness, MakeRequest(1, 5));
    EXPECT_EQ(harness.Step().size(), 2u);
    EXPECT_EQ(harness.Step().size(), 2u);
    EXPECT_EQ(harness.scheduler.num_running(), 2);
    EXPECT_EQ(harness.scheduler.num_waiting(), 2);
    harness.RunUntilIdle();
    EXPECT_EQ(harness.finished.size(), 4u);
    ExpectCleanEnd(harness);
  }
}

TEST(Scheduler, NewestIsPreemptedAndRecomputedToTheSameTokens) {
  // 4 blocks of 4: each request comes to need 3.
  const FakeExecutorOptions options = {.block_tokens = 4, .num_blocks = 4};
  SchedulerHarness harness(options);
  const Request first = MakeRequest(7, 5, 1);
  const Request second = MakeRequest(6, 6, 20);
  const RequestId a = MustAdd(harness, first);
  const RequestId b = MustAdd(harness, second);
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{a, 0, 7, 1}, SeenSpan{b, 0, 6, 1}));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{a, 7, 1, 1}, SeenSpan{b, 6, 1, 1}));
  // a takes its third block: b gives back both of its own, and cannot start again at once.
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{a, 8, 1, 1}));
  EXPECT_EQ(harness.scheduler.num_waiting(), 1);
  EXPECT_EQ(harness.pool.num_used(), 3);
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{a, 9, 1, 1}));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{a, 10, 1, 1}));
  // Prompt and the two output tokens so far, in one chunk; logits for the last alone.
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{b, 0, 8, 1}));
  harness.RunUntilIdle();
  EXPECT_EQ(harness.finished[a].preemptions, 0);
  EXPECT_EQ(harness.finished[b].preemptions, 1);
  EXPECT_EQ(harness.finished[a].output, SchedulerHarness::RunAlone(options, first).output);
  EXPECT_EQ(harness.finished[b].output, SchedulerHarness::RunAlone(options, second).output);
  ExpectCleanEnd(harness);
}

TEST(Scheduler, NewestGivesWayItselfRatherThanHarmAnOlderOne) {
  SchedulerHarness harness({.block_tokens = 4, .num_blocks = 3});
  const RequestId a = MustAdd(harness, MakeRequest(5, 4));
  const RequestId b = MustAdd(harness, MakeRequest(4, 4, 20));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{a, 0, 5, 1}, SeenSpan{b, 0, 4, 1}));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{a, 5, 1, 1}));  // b needs a second block
  EXPECT_EQ(harness.pool.num_used(), 2);
  harness.RunUntilIdle();
  EXPECT_EQ(harness.finished[a].preemptions, 0);
  EXPECT_EQ(harness.finished[b].preemptions, 1);
  EXPECT_LT(harness.finished[a].finish_seconds, harness.finished[b].finish_seconds);
  ExpectCleanEnd(harness);
}

TEST(Scheduler, WaitingSequencesStartInOrderAndPreemptNobody) {
  SchedulerHarness harness({.block_tokens = 4, .num_blocks = 4}, /*step_tokens=*/8);
  const RequestId a = MustAdd(harness, MakeRequest(7, 3));
  const RequestId b = MustAdd(harness, MakeRequest(12, 1));  // needs 3 of the 2 free blocks
  const RequestId c = MustAdd(harness, MakeRequest(1, 1));   // would fit, but came later
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{a, 0, 7, 1}));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{a, 7, 1, 1}));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{a, 8, 1, 1}));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{b, 0, 8, 0}));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{b, 8, 4, 1}, SeenSpan{c, 0, 1, 1}));
  EXPECT_EQ(harness.finished[a].preemptions + harness.finished[b].preemptions, 0);
  ExpectCleanEnd(harness);
}

TEST(Scheduler, LimitIsClampedToContextAndCache) {
  const int kMany = std::numeric_limits<int>::max();
  // Of positions 0 to 11, 10 are the prompt's: two outputs are fed back, the third is not.
  SchedulerHarness context({.context = 12, .block_tokens = 4, .num_blocks = 16});
  const RequestId a = MustAdd(context, MakeRequest(10, kMany));
  const RequestId full = MustAdd(context, MakeRequest(12, kMany));
  context.RunUntilIdle();
  EXPECT_EQ(context.finished[a].output.size(), 3u);
  EXPECT_EQ(context.finished[a].reason, FinishReason::kLength);
  EXPECT_EQ(context.finished[full].output.size(), 1u);
  ExpectCleanEnd(context);
  SchedulerHarness cache({.context = 256, .block_tokens = 4, .num_blocks = 3});
  const RequestId b = MustAdd(cache, MakeRequest(10, kMany));
  cache.RunUntilIdle();
  EXPECT_EQ(cache.finished[b].output.size(), 3u);
  EXPECT_EQ(cache.finished[b].preemptions, 0);
  ExpectCleanEnd(cache);
}

TEST(Scheduler, RejectsWhatCouldNeverRun) {
  SchedulerHarness harness({.vocab = 50, .context = 20, .block_tokens = 4, .num_blocks = 3});
  const auto add = [&](Request request) {
    return harness.scheduler.Add(std::move(request)).status();
  };
  const auto invalid = [&](Request request, const std::string& named) {
    const absl::Status status = add(std::move(request));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(named));
  };
  invalid(MakeRequest(0, 1), "prompt");
  invalid(MakeRequest(1, 0), "max_new_tokens");
  invalid(MakeRequest(21, 1), "21 tokens do not fit the context of 20");
  Request request = MakeRequest(2, 1);
  request.prompt[1] = 50;
  invalid(request, "token id 50");
  request.prompt[1] = -1;
  invalid(request, "token id -1");
  request = MakeRequest(2, 1);
  request.logprobs = -1;
  invalid(request, "logprobs");
  request = MakeRequest(2, 1);
  request.sampling.top_p = 0;
  invalid(request, "top_p");
  const absl::Status status = add(MakeRequest(13, 1));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("need 4"), HasSubstr("has 3")));
  EXPECT_FALSE(harness.scheduler.has_work());
  EXPECT_TRUE(add(MakeRequest(12, 1)).ok());
  harness.RunUntilIdle();
  ExpectCleanEnd(harness);
}

TEST(Scheduler, ASteadyStepKeepsItsBuffers) {
  SchedulerHarness harness({.num_blocks = 64});
  for (int i = 0; i < 3; ++i) MustAdd(harness, MakeRequest(4, 20));
  harness.Step();
  const PlannedSpan* spans = nullptr;
  const int32_t* tokens = nullptr;
  const BlockId* blocks = nullptr;
  for (int i = 0; i < 15; ++i) {
    const StepPlan& plan = harness.scheduler.Plan();
    ASSERT_EQ(plan.spans.size(), 3u);
    const Sequence& newest = *plan.spans[2].sequence;
    if (i > 0) {
      EXPECT_EQ(plan.spans.data(), spans);
      EXPECT_EQ(newest.tokens.data(), tokens);
      EXPECT_EQ(newest.table.blocks().data(), blocks);
    }
    spans = plan.spans.data();
    tokens = newest.tokens.data();
    blocks = newest.table.blocks().data();
    std::vector<SampleOutcome> outcomes(3, SampledToken{1, {}});
    harness.scheduler.Commit(plan, absl::MakeSpan(outcomes));
  }
}

}  // namespace
}  // namespace plumbline::scheduler_test
