// How requests end: by their own stop, by cancellation, by a failure, with the scheduler.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "scheduler/scheduler.h"
#include "tests/support/scheduler_harness.h"

namespace plumbline::scheduler_finish_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Scheduler, EndTokenStopsAndClosesTheOutput) {
  const std::vector<int32_t> free = SchedulerHarness::RunAlone({}, MakeRequest(5, 8)).output;
  ASSERT_EQ(free.size(), 8u);
  for (const size_t at : {size_t{2}, size_t{7}}) {  // 7: also the last that the limit allows
    const auto first = std::find(free.begin(), free.end(), free[at]);
    ASSERT_EQ(static_cast<size_t>(first - free.begin()), at) << "choose another prompt";
    Request request = MakeRequest(5, 8);
    request.end_tokens = {1000, free[at]};
    const RequestResult result = SchedulerHarness::RunAlone({}, request);
    EXPECT_EQ(result.reason, FinishReason::kStop);
    EXPECT_EQ(result.output.size(), at + 1);
    EXPECT_EQ(result.output.back(), free[at]);
  }
}

TEST(Scheduler, CallbackSeesEveryTokenAndCanStop) {
  SchedulerHarness harness({});
  Request request = MakeRequest(5, 8);
  request.logprobs = 2;
  std::vector<int32_t> seen;
  request.on_token = [&](const TokenEvent& event) {
    EXPECT_EQ(event.seconds, harness.clock.NowSeconds());
    EXPECT_EQ(event.logprobs.size(), 2u);
    EXPECT_EQ(event.logprobs[0].token, event.token);  // greedy
    seen.push_back(event.token);
    return seen.size() < 3;
  };
  const RequestId id = MustAdd(harness, request);
  harness.RunUntilIdle();
  const RequestResult& result = harness.finished[id];
  EXPECT_EQ(result.reason, FinishReason::kStop);
  EXPECT_EQ(result.output, seen);
  EXPECT_EQ(seen.size(), 3u);
  ASSERT_EQ(result.logprobs.size(), 3u);
  EXPECT_EQ(result.logprobs[2][0].token, seen[2]);
  ExpectCleanEnd(harness);
}

TEST(Scheduler, CancelledRequestsEndAtTheNextPlanWhereverTheyAre) {
  SchedulerHarness harness({.num_blocks = 64}, /*step_tokens=*/8, /*max_running=*/2);
  const RequestId decoding = MustAdd(harness, MakeRequest(3, 9));
  const RequestId prefilling = MustAdd(harness, MakeRequest(30, 9));
  const RequestId waiting = MustAdd(harness, MakeRequest(3, 9));
  const RequestId last = MustAdd(harness, MakeRequest(3, 9));
  harness.Step();
  for (const RequestId id : {decoding, prefilling, waiting, RequestId{99}}) {
    harness.scheduler.Cancel(id);
  }
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{last, 0, 3, 1}));
  for (const RequestId id : {decoding, prefilling, waiting}) {
    EXPECT_EQ(harness.times_finished[id], 1);
    EXPECT_EQ(harness.finished[id].reason, FinishReason::kCancelled);
  }
  EXPECT_EQ(harness.finished[decoding].output.size(), 1u);
  EXPECT_THAT(harness.finished[prefilling].output, IsEmpty());
  EXPECT_EQ(harness.finished[prefilling].cache.used_bytes_measured,
            5 * harness.executor.geometry().TokenBytes());
  EXPECT_EQ(harness.finished[prefilling].first_token_seconds, -1);
  EXPECT_EQ(harness.finished[waiting].first_scheduled_seconds, -1);
  EXPECT_EQ(harness.finished[waiting].cache.blocks, 0);
  harness.scheduler.Cancel(decoding);
  harness.RunUntilIdle();
  EXPECT_EQ(harness.finished[last].reason, FinishReason::kLength);
  ExpectCleanEnd(harness);
}

TEST(Scheduler, BadLogitsEndTheirRequestAlone) {
  SchedulerHarness harness({});
  const RequestId a = MustAdd(harness, MakeRequest(3, 4));
  const RequestId b = MustAdd(harness, MakeRequest(4, 4));
  const RequestId c = MustAdd(harness, MakeRequest(5, 4));
  harness.Step();
  harness.executor.SpoilNextRow(1);
  harness.Step();
  EXPECT_EQ(harness.finished[b].reason, FinishReason::kError);
  EXPECT_EQ(harness.finished[b].status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(harness.finished[b].output.size(), 1u);
  harness.RunUntilIdle();
  EXPECT_EQ(harness.finished[a].output, SchedulerHarness::RunAlone({}, MakeRequest(3, 4)).output);
  EXPECT_EQ(harness.finished[c].output, SchedulerHarness::RunAlone({}, MakeRequest(5, 4)).output);
  ExpectCleanEnd(harness);
}

TEST(Scheduler, FailedStepEndsItsRequestsAndNoOther) {
  SchedulerHarness harness({}, /*step_tokens=*/8, /*max_running=*/1);
  const RequestId a = MustAdd(harness, MakeRequest(3, 4));
  const RequestId b = MustAdd(harness, MakeRequest(4, 4));
  harness.executor.FailNext(absl::UnavailableError("no power"));
  harness.Step();
  EXPECT_EQ(harness.finished[a].reason, FinishReason::kError);
  EXPECT_EQ(harness.finished[a].status, absl::UnavailableError("no power"));
  EXPECT_THAT(harness.finished[a].steps, IsEmpty());
  harness.RunUntilIdle();
  EXPECT_EQ(harness.finished[b].reason, FinishReason::kLength);
  ExpectCleanEnd(harness);
}

TEST(Scheduler, LeavesNoBlockBehindWhenItEndsEarly) {
  const FakeExecutorOptions options;
  const FakeExecutor executor(options, nullptr);
  const ManualClock clock;
  BlockPool pool(options.num_blocks);
  {
    SchedulerOptions scheduling;
    scheduling.context = 64;
    scheduling.geometry = executor.geometry();
    Scheduler scheduler(scheduling, executor.cost_shape(), pool, clock);
    ASSERT_TRUE(scheduler.Add(MakeRequest(9, 4)).ok());
    ASSERT_FALSE(scheduler.Plan().empty());
    EXPECT_EQ(pool.num_used(), 3);
  }
  EXPECT_EQ(pool.num_used(), 0);
}

}  // namespace
}  // namespace plumbline::scheduler_finish_test
