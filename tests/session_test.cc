#include "scheduler/session.h"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fake_executor.h"
#include "tests/support/manual_clock.h"
#include "tests/support/scheduler_harness.h"

namespace plumbline {
namespace {

Request MakeRequest(int prompt_tokens, int max_new_tokens, int32_t first = 1) {
  Request request;
  for (int i = 0; i < prompt_tokens; ++i) request.prompt.push_back((first + i) % 50);
  request.max_new_tokens = max_new_tokens;
  return request;
}

// Everything a session needs, and the results it gave.
class Bench {
 public:
  explicit Bench(const FakeExecutorOptions& options = {}, int step_tokens = 16)
      : executor(options, &clock),
        pool(options.num_blocks, [this](BlockId block) { executor.Forget(block); }),
        session(Options(step_tokens), executor, pool, clock) {}

  uint64_t Submit(Request request) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const size_t slot = results_.size();
    results_.emplace_back();
    return session.Submit(std::move(request), [this, slot](RequestResult result) {
      const std::lock_guard<std::mutex> inner(mutex_);
      results_[slot].push_back(std::move(result));
    });
  }
  // The only result of the request that was submitted as number `slot`.
  RequestResult Only(size_t slot) {
    const std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_EQ(results_[slot].size(), 1u) << "on_finish of request " << slot;
    return results_[slot].empty() ? RequestResult() : results_[slot][0];
  }
  size_t submitted() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return results_.size();
  }
  void ExpectClean() {
    EXPECT_TRUE(session.invariants().ok()) << session.invariants();
    EXPECT_TRUE(executor.violation().ok()) << executor.violation();
    EXPECT_FALSE(session.scheduler().has_work());
    EXPECT_EQ(pool.num_used(), 0);
  }

 private:
  SessionOptions Options(int step_tokens) const {
    SessionOptions options;
    options.scheduler.step_tokens = step_tokens;
    options.scheduler.geometry = executor.geometry();
    options.check_invariants = true;
    return options;
  }

  std::mutex mutex_;
  std::vector<std::vector<RequestResult>> results_;  // [submitted][times on_finish was called]

 public:
  ManualClock clock;
  FakeExecutor executor;
  BlockPool pool;
  Session session;
};

TEST(Session, RunsBatchedRequestsToTheTokensTheyGetAlone) {
  Bench bench;
  for (int i = 0; i < 6; ++i) bench.Submit(MakeRequest(3 + 4 * i, 10, 5 * i));
  bench.session.RunUntilIdle();
  for (int i = 0; i < 6; ++i) {
    const RequestResult result = bench.Only(static_cast<size_t>(i));
    EXPECT_EQ(result.reason, FinishReason::kLength);
    EXPECT_EQ(result.output,
              SchedulerHarness::RunAlone({}, MakeRequest(3 + 4 * i, 10, 5 * i)).output);
    ASSERT_FALSE(result.steps.empty());
    const RequestStep& last = result.steps.back();
    EXPECT_EQ(last.end_seconds, result.finish_seconds);
    EXPECT_GT(last.seconds, 0);
    EXPECT_EQ(last.measured_macs.useful[0], last.formula_macs.useful[0]);
  }
  EXPECT_FALSE(bench.session.Step());
  bench.ExpectClean();
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
  Bench bench({.context = 8});
  Request request = MakeRequest(9, 1);
  request.arrival_seconds = 0.5;
  bench.clock.Advance(2);
  bench.Submit(request);
  bench.Submit(MakeRequest(2, 1));
  bench.session.RunUntilIdle();
  const RequestResult rejected = bench.Only(0);
  EXPECT_EQ(rejected.reason, FinishReason::kError);
  EXPECT_EQ(rejected.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(rejected.prompt, request.prompt);
  EXPECT_EQ(rejected.queue_seconds(), 1.5);
  EXPECT_EQ(rejected.ttft_seconds(), -1);
  EXPECT_EQ(bench.Only(1).reason, FinishReason::kLength);
  bench.ExpectClean();
}

TEST(Session, CancelReachesOneRequest) {
  Bench bench;
  const uint64_t ticket = bench.Submit(MakeRequest(3, 20));
  bench.Submit(MakeRequest(3, 20));
  bench.session.Step();
  bench.session.Cancel(ticket);
  bench.session.Cancel(ticket + 1000);
  bench.session.RunUntilIdle();
  EXPECT_EQ(bench.Only(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(bench.Only(0).output.size(), 1u);
  EXPECT_EQ(bench.Only(1).reason, FinishReason::kLength);
  bench.session.Cancel(ticket);
  bench.session.RunUntilIdle();
  bench.ExpectClean();
}

TEST(Session, CancelBeforeTheFirstStepReachesMailToo) {
  Bench bench;
  const uint64_t ticket = bench.Submit(MakeRequest(3, 20));
  bench.session.Cancel(ticket);
  bench.session.RunUntilIdle();
  EXPECT_EQ(bench.Only(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(bench.executor.steps(), 0);
  bench.ExpectClean();
}

TEST(Session, CancelAllReachesWhatWasSubmittedAndNothingLater) {
  Bench bench;
  bench.Submit(MakeRequest(3, 20));
  bench.session.Step();
  bench.Submit(MakeRequest(3, 20));
  bench.session.CancelAll();
  bench.Submit(MakeRequest(3, 20));
  bench.session.RunUntilIdle();
  EXPECT_EQ(bench.Only(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(bench.Only(1).reason, FinishReason::kCancelled);
  EXPECT_EQ(bench.Only(2).reason, FinishReason::kLength);
  bench.ExpectClean();
}

std::atomic<Session*> interrupted = nullptr;

TEST(Session, CancelAllWorksFromASignalHandler) {
  Bench bench;
  Request request = MakeRequest(3, 50);
  request.on_token = [](const TokenEvent&) { return std::raise(SIGUSR1) == 0; };
  bench.Submit(std::move(request));
  interrupted = &bench.session;
  const auto before = std::signal(SIGUSR1, [](int) { interrupted.load()->CancelAll(); });
  bench.session.RunUntilIdle();
  std::signal(SIGUSR1, before);
  EXPECT_EQ(bench.Only(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(bench.Only(0).output.size(), 1u);
  bench.ExpectClean();
}

TEST(Session, FailedStepEndsOnlyItsOwnRequests) {
  Bench bench({}, /*step_tokens=*/4);
  bench.Submit(MakeRequest(4, 5));
  bench.Submit(MakeRequest(4, 5));
  bench.executor.FailNext(absl::DataLossError("a bit fell over"));
  bench.session.RunUntilIdle();
  EXPECT_EQ(bench.Only(0).reason, FinishReason::kError);
  EXPECT_EQ(bench.Only(0).status, absl::DataLossError("a bit fell over"));
  EXPECT_EQ(bench.Only(1).reason, FinishReason::kLength);
  bench.ExpectClean();
}

TEST(Session, CallbacksMaySubmitAndCancel) {
  Bench bench;
  uint64_t ticket = 0;
  Request first = MakeRequest(3, 20);
  first.on_token = [&](const TokenEvent&) {
    bench.session.Cancel(ticket);
    return true;
  };
  ticket = bench.Submit(std::move(first));
  RequestResult second;
  bench.session.Submit(MakeRequest(2, 1), [&](RequestResult) {
    bench.session.Submit(MakeRequest(2, 3), [&](RequestResult r) { second = std::move(r); });
  });
  bench.session.RunUntilIdle();
  EXPECT_EQ(bench.Only(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(bench.Only(0).output.size(), 1u);
  EXPECT_EQ(second.output.size(), 3u);
  bench.ExpectClean();
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
    session.Submit(MakeRequest(9, 20), [&](RequestResult r) { ended[0] = r.reason; });
    session.Step();
    EXPECT_GT(pool.num_used(), 0);
    session.Submit(MakeRequest(9, 20), [&](RequestResult r) { ended[1] = r.reason; });
    session.Submit(MakeRequest(9, 20), nullptr);
  }
  EXPECT_EQ(ended, (std::map<int, FinishReason>{{0, FinishReason::kCancelled},
                                                {1, FinishReason::kCancelled}}));
  EXPECT_EQ(pool.num_used(), 0);
}

TEST(Session, StopLetsServeFinishItsWork) {
  Bench bench;
  std::thread loop([&] { bench.session.Serve(); });
  for (int i = 0; i < 5; ++i) bench.Submit(MakeRequest(3, 10));
  bench.session.Stop();
  loop.join();
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(bench.Only(i).reason, FinishReason::kLength);
  bench.session.Serve();  // returns at once
  bench.ExpectClean();
}

TEST(Session, ServeWakesForMailThatComesWhileItSleeps) {
  Bench bench;
  std::thread loop([&] { bench.session.Serve(); });
  for (int i = 0; i < 20; ++i) {
    std::atomic<bool> done = false;
    bench.session.Submit(MakeRequest(2, 2), [&](RequestResult) { done = true; });
    while (!done) std::this_thread::yield();
  }
  bench.session.Stop();
  loop.join();
  bench.ExpectClean();
}

TEST(Session, ThreadsSubmitAndCancelWhileTheLoopRuns) {
  constexpr int kThreads = 4;
  constexpr int kRequests = 60;
  const FakeExecutorOptions options = {.block_tokens = 4, .num_blocks = 12};
  Bench bench(options);
  std::thread loop([&] { bench.session.Serve(); });
  std::vector<std::thread> clients;
  for (int t = 0; t < kThreads; ++t) {
    clients.emplace_back([&bench, t] {
      for (int i = 0; i < kRequests; ++i) {
        const uint64_t ticket = bench.Submit(MakeRequest(1 + (i * 7 + t) % 20, 1 + i % 9, t + i));
        if (i % 5 == t) bench.session.Cancel(ticket);
        if (i == 40 && t == 2) bench.session.CancelAll();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  bench.session.Stop();
  loop.join();
  ASSERT_EQ(bench.submitted(), static_cast<size_t>(kThreads * kRequests));
  int finished = 0;
  for (size_t slot = 0; slot < bench.submitted(); ++slot) {
    const RequestResult result = bench.Only(slot);
    ASSERT_NE(result.reason, FinishReason::kError) << result.status;
    if (result.reason != FinishReason::kLength) continue;
    ++finished;
    Request same;
    same.prompt = result.prompt;
    same.max_new_tokens = static_cast<int>(result.output.size());
    EXPECT_EQ(result.output, SchedulerHarness::RunAlone(options, same).output);
  }
  EXPECT_GT(finished, 0);
  bench.ExpectClean();
}

}  // namespace
}  // namespace plumbline
