// The session stepped by hand, on one thread.
#include "scheduler/session.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <utility>

#include "tests/support/fake_executor.h"
#include "tests/support/manual_clock.h"
#include "tests/support/scheduler_harness.h"
#include "tests/support/session_harness.h"

namespace plumbline::session_test {
namespace {

TEST(Session, RunsBatchedRequestsToTheTokensTheyGetAlone) {
  SessionHarness harness;
  for (int i = 0; i < 6; ++i) harness.Submit(MakeRequest(3 + 4 * i, 10, 5 * i));
  harness.session.RunUntilIdle();
  for (int i = 0; i < 6; ++i) {
    const RequestResult result = harness.Only(static_cast<size_t>(i));
    EXPECT_EQ(result.reason, FinishReason::kLength);
    EXPECT_EQ(result.output,
              SchedulerHarness::RunAlone({}, MakeRequest(3 + 4 * i, 10, 5 * i)).output);
    ASSERT_FALSE(result.steps.empty());
    const RequestStep& last = result.steps.back();
    EXPECT_EQ(last.end_seconds, result.finish_seconds);
    EXPECT_GT(last.seconds, 0);
    EXPECT_EQ(last.measured_macs.useful[0], last.formula_macs.useful[0]);
  }
  EXPECT_FALSE(harness.session.Step());
  harness.ExpectClean();
}

TEST(Session, ContextIsTheSmallerOfTheWishAndTheExecutors) {
  ManualClock clock;
  FakeExecutor executor({.context = 8}, &clock);
  for (const auto& [wish, tokens] : {std::pair{0, 5u}, std::pair{100, 5u}, std::pair{6, 3u}}) {
    BlockPool pool(16, [&](BlockId block) { executor.Forget(block); });
    SessionOptions options;
    options.scheduler.context = wish;
    options.scheduler.geometry = executor.geometry();
    Session session(options, executor, pool, clock);
    RequestResult result;
    session.Submit(MakeRequest(4, 50), [&](RequestResult r) { result = std::move(r); });
    session.RunUntilIdle();
    EXPECT_EQ(result.output.size(), tokens);
  }
}

TEST(Session, RejectedRequestGetsItsReasonAndItsPrompt) {
  SessionHarness harness({.context = 8});
  Request request = MakeRequest(9, 1);
  request.arrival_seconds = 0.5;
  harness.clock.Advance(2);
  harness.Submit(request);
  harness.Submit(MakeRequest(2, 1));
  harness.session.RunUntilIdle();
  const RequestResult rejected = harness.Only(0);
  EXPECT_EQ(rejected.reason, FinishReason::kError);
  EXPECT_EQ(rejected.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(rejected.prompt, request.prompt);
  EXPECT_EQ(rejected.queue_seconds(), 1.5);
  EXPECT_EQ(rejected.ttft_seconds(), -1);
  EXPECT_EQ(harness.Only(1).reason, FinishReason::kLength);
  harness.ExpectClean();
}

TEST(Session, CancelReachesOneRequest) {
  SessionHarness harness;
  const uint64_t ticket = harness.Submit(MakeRequest(3, 20));
  harness.Submit(MakeRequest(3, 20));
  harness.session.Step();
  harness.session.Cancel(ticket);
  harness.session.Cancel(ticket + 1000);
  harness.session.RunUntilIdle();
  EXPECT_EQ(harness.Only(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(harness.Only(0).output.size(), 1u);
  EXPECT_EQ(harness.Only(1).reason, FinishReason::kLength);
  harness.session.Cancel(ticket);
  harness.session.RunUntilIdle();
  harness.ExpectClean();
}

TEST(Session, CancelBeforeTheFirstStepReachesMailToo) {
  SessionHarness harness;
  const uint64_t ticket = harness.Submit(MakeRequest(3, 20));
  harness.session.Cancel(ticket);
  harness.session.RunUntilIdle();
  EXPECT_EQ(harness.Only(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(harness.executor.steps(), 0);
  harness.ExpectClean();
}

TEST(Session, CancelAllReachesWhatWasSubmittedAndNothingLater) {
  SessionHarness harness;
  harness.Submit(MakeRequest(3, 20));
  harness.session.Step();
  harness.Submit(MakeRequest(3, 20));
  harness.session.CancelAll();
  harness.Submit(MakeRequest(3, 20));
  harness.session.RunUntilIdle();
  EXPECT_EQ(harness.Only(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(harness.Only(1).reason, FinishReason::kCancelled);
  EXPECT_EQ(harness.Only(2).reason, FinishReason::kLength);
  harness.ExpectClean();
}

TEST(Session, FailedStepEndsOnlyItsOwnRequests) {
  SessionHarness harness({}, /*step_tokens=*/4);
  harness.Submit(MakeRequest(4, 5));
  harness.Submit(MakeRequest(4, 5));
  harness.executor.FailNext(absl::DataLossError("a bit fell over"));
  harness.session.RunUntilIdle();
  EXPECT_EQ(harness.Only(0).reason, FinishReason::kError);
  EXPECT_EQ(harness.Only(0).status, absl::DataLossError("a bit fell over"));
  EXPECT_EQ(harness.Only(1).reason, FinishReason::kLength);
  harness.ExpectClean();
}

TEST(Session, CallbacksMaySubmitAndCancel) {
  SessionHarness harness;
  uint64_t ticket = 0;
  Request first = MakeRequest(3, 20);
  first.on_token = [&](const TokenEvent&) {
    harness.session.Cancel(ticket);
    return true;
  };
  ticket = harness.Submit(std::move(first));
  RequestResult second;
  harness.session.Submit(MakeRequest(2, 1), [&](const RequestResult&) {
    harness.session.Submit(MakeRequest(2, 3), [&](RequestResult r) { second = std::move(r); });
  });
  harness.session.RunUntilIdle();
  EXPECT_EQ(harness.Only(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(harness.Only(0).output.size(), 1u);
  EXPECT_EQ(second.output.size(), 3u);
  harness.ExpectClean();
}

TEST(Session, DestructorEndsWhatIsLeft) {
  ManualClock clock;
  FakeExecutor executor({}, &clock);
  BlockPool pool(16);
  std::map<int, FinishReason> ended;
  {
    SessionOptions options;
    options.scheduler.geometry = executor.geometry();
    Session session(options, executor, pool, clock);
    session.Submit(MakeRequest(9, 20), [&](const RequestResult& r) { ended[0] = r.reason; });
    session.Step();
    EXPECT_GT(pool.num_used(), 0);
    session.Submit(MakeRequest(9, 20), [&](const RequestResult& r) { ended[1] = r.reason; });
    session.Submit(MakeRequest(9, 20), nullptr);
  }
  EXPECT_EQ(ended, (std::map<int, FinishReason>{{0, FinishReason::kCancelled},
                                                {1, FinishReason::kCancelled}}));
  EXPECT_EQ(pool.num_used(), 0);
}

}  // namespace
}  // namespace plumbline::session_test
