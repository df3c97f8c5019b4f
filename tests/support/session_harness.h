// A session with a fake executor, and the results it gave. Submit may be called by any thread.
#ifndef PLUMBLINE_TESTS_SUPPORT_SESSION_HARNESS_H_
#define PLUMBLINE_TESTS_SUPPORT_SESSION_HARNESS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "cache/block_pool.h"
#include "gtest/gtest.h"
#include "scheduler/session.h"
#include "tests/support/fake_executor.h"
#include "tests/support/manual_clock.h"

namespace plumbline {

class SessionHarness {
 public:
  // `tune`, where given, changes the scheduler's options further.
  explicit SessionHarness(const FakeExecutorOptions& options = {}, int step_tokens = 16,
                          const std::function<void(SchedulerOptions&)>& tune = nullptr)
      : executor(options, &clock),
        pool(options.num_blocks, [this](BlockId block) { executor.Forget(block); }),
        session(Options(step_tokens, tune), executor, pool, clock) {}

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
  void ExpectClean() const {
    EXPECT_TRUE(session.invariants().ok()) << session.invariants();
    EXPECT_TRUE(executor.violation().ok()) << executor.violation();
    EXPECT_FALSE(session.scheduler().has_work());
    EXPECT_EQ(pool.num_used(), session.scheduler().num_indexed_blocks());
  }

 private:
  SessionOptions Options(int step_tokens, const std::function<void(SchedulerOptions&)>& tune) {
    SessionOptions options;
    options.scheduler.step_tokens = step_tokens;
    options.scheduler.geometry = executor.geometry();
    options.check_invariants = true;
    options.scheduler.mover = &executor;
    if (tune) tune(options.scheduler);
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

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_SESSION_HARNESS_H_
