// The session in its loop, reached from other threads and from a signal handler.
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "scheduler/session.h"
#include "tests/support/fake_executor.h"
#include "tests/support/scheduler_harness.h"
#include "tests/support/session_harness.h"

namespace plumbline::session_threads_test {
namespace {

std::atomic<Session*> interrupted = nullptr;

TEST(Session, CancelAllWorksFromASignalHandler) {
  SessionHarness harness;
  Request request = MakeRequest(3, 50);
  request.on_token = [](const TokenEvent&) { return std::raise(SIGUSR1) == 0; };
  harness.Submit(std::move(request));
  interrupted = &harness.session;
  const auto before = std::signal(SIGUSR1, [](int) { interrupted.load()->CancelAll(); });
  harness.session.RunUntilIdle();
  ASSERT_NE(std::signal(SIGUSR1, before), SIG_ERR);
  EXPECT_EQ(harness.Only(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(harness.Only(0).output.size(), 1u);
  harness.ExpectClean();
}

TEST(Session, StopLetsServeFinishItsWork) {
  SessionHarness harness;
  std::thread loop([&] { harness.session.Serve(); });
  for (int i = 0; i < 5; ++i) harness.Submit(MakeRequest(3, 10));
  harness.session.Stop();
  loop.join();
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(harness.Only(i).reason, FinishReason::kLength);
  harness.session.Serve();  // returns at once
  harness.ExpectClean();
}

TEST(Session, ServeWakesForMailThatComesWhileItSleeps) {
  SessionHarness harness;
  std::thread loop([&] { harness.session.Serve(); });
  for (int i = 0; i < 20; ++i) {
    std::atomic<bool> done = false;
    harness.session.Submit(MakeRequest(2, 2), [&](const RequestResult&) { done = true; });
    while (!done) std::this_thread::yield();
  }
  harness.session.Stop();
  loop.join();
  harness.ExpectClean();
}

TEST(Session, ThreadsSubmitAndCancelWhileTheLoopRuns) {
  constexpr int kThreads = 4;
  constexpr int kRequests = 60;
  const FakeExecutorOptions options = {.block_tokens = 4, .num_blocks = 12};
  SessionHarness harness(options);
  std::thread loop([&] { harness.session.Serve(); });
  std::vector<std::thread> clients;
  clients.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    clients.emplace_back([&harness, t] {
      for (int i = 0; i < kRequests; ++i) {
        const uint64_t ticket = harness.Submit(MakeRequest(1 + (i * 7 + t) % 20, 1 + i % 9, t + i));
        if (i % 5 == t) harness.session.Cancel(ticket);
        if (i == 40 && t == 2) harness.session.CancelAll();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  harness.session.Stop();
  loop.join();
  ASSERT_EQ(harness.submitted(), static_cast<size_t>(kThreads * kRequests));
  int finished = 0;
  for (size_t slot = 0; slot < harness.submitted(); ++slot) {
    const RequestResult result = harness.Only(slot);
    ASSERT_NE(result.reason, FinishReason::kError) << result.status;
    if (result.reason != FinishReason::kLength) continue;
    ++finished;
    Request same;
    same.prompt = result.prompt;
    same.max_new_tokens = static_cast<int>(result.output.size());
    EXPECT_EQ(result.output, SchedulerHarness::RunAlone(options, same).output);
  }
  EXPECT_GT(finished, 0);
  harness.ExpectClean();
}

}  // namespace
}  // namespace plumbline::session_threads_test
