// The loop: the only one that touches scheduler and cache. Add and Cancel reach it through a
// mailbox from any thread; tokens leave by each request's callback, results by Wait or Run.
#ifndef PLUMBLINE_SCHEDULER_SESSION_H_
#define PLUMBLINE_SCHEDULER_SESSION_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "cache/block_pool.h"
#include "scheduler/clock.h"
#include "scheduler/executor.h"
#include "scheduler/request.h"
#include "scheduler/sampler.h"
#include "scheduler/scheduler.h"

namespace plumbline {

struct SessionOptions {
  SchedulerOptions scheduler;
  // Checks the scheduler's and the pool's invariants after every step (tests).
  bool check_invariants = false;
};

// Submit, Cancel and CancelAll are safe from any thread; RunUntilIdle, Serve and Step belong to
// one thread.
class Session {
 public:
  using FinishCallback = std::function<void(RequestResult)>;

  // None of the references is owned; all must outlive the session.
  Session(const SessionOptions& options, Executor& executor, BlockPool& pool, const Clock& clock);

  // Hands over a request; `on_finish` is called exactly once, on the loop's thread (with kError
  // and the reason for a request that Scheduler::Add rejects). Returns a ticket for Cancel.
  uint64_t Submit(Request request, FinishCallback on_finish);
  void Cancel(uint64_t ticket);
  // Every request that is in the session now ends with kCancelled. Async-signal-safe: sets a flag.
  void CancelAll() { cancel_all_.store(true, std::memory_order_relaxed); }

  // One round: mailbox, Plan, Run, sample, Commit, callbacks. False where there was nothing to do.
  bool Step();
  // Steps until nothing is left.
  void RunUntilIdle();
  // Steps, and sleeps while idle, until Stop() is called and nothing is left.
  void Serve();
  void Stop();

  const Scheduler& scheduler() const { return scheduler_; }
  // First broken invariant, where check_invariants is on.
  const absl::Status& invariants() const { return invariants_; }

 private:
  // Members are the implementer's to add.
  SessionOptions options_;
  Executor& executor_;
  BlockPool& pool_;
  const Clock& clock_;
  Scheduler scheduler_;
  Sampler sampler_;
  std::atomic<bool> cancel_all_ = false;
  absl::Status invariants_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_SESSION_H_
