// The loop: the only one that touches scheduler and cache. Requests and cancellations reach it
// through a mailbox from any thread; tokens leave by each request's on_token, results by its
// on_finish.
#ifndef PLUMBLINE_SCHEDULER_SESSION_H_
#define PLUMBLINE_SCHEDULER_SESSION_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "cache/block_pool.h"
#include "engine/machine_profile.h"
#include "scheduler/clock.h"
#include "scheduler/executor.h"
#include "scheduler/request.h"
#include "scheduler/sampler.h"
#include "scheduler/scheduler.h"
#include "scheduler/step_event.h"

namespace plumbline {

struct SessionOptions {
  // vocab is the executor's; context (0: no wish) is cut to the executor's; a null profile is the
  // one below.
  SchedulerOptions scheduler;
  // What steps' times are predicted from, as this run's anchors have it; null: nothing is. Not
  // owned; outlives the session.
  const MachineProfile* profile = nullptr;
  // False: results have no steps (RequestResult::steps), which cost memory for each token.
  bool keep_steps = true;
  // Called after the Commit (or Abort) of each step, before results are delivered, on the loop's
  // thread; it must not call back into the session but for its thread-safe methods. May be empty.
  StepObserver on_step;
  // Checks the scheduler's and the pool's invariants after every step (tests).
  bool check_invariants = false;
};

// Submit, Cancel, CancelAll and Stop are safe from any thread, callbacks included; RunUntilIdle,
// Serve and Step belong to one thread and are not to be called from callbacks.
class Session {
 public:
  using FinishCallback = std::function<void(RequestResult)>;

  // None of the references is owned; all must outlive the session. Nobody else takes blocks from
  // `pool`. REQUIRES: as Scheduler's constructor.
  Session(const SessionOptions& options, Executor& executor, BlockPool& pool, const Clock& clock);
  // Ends what is left with kCancelled (on_finish is called), and gives back all blocks.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Hands over a request; `on_finish` is called exactly once for each of its samples, on the loop's
  // thread (with kError and the reason for a request that Scheduler::Add rejects; once, where that
  // is for its number of samples). May be empty. Returns a ticket for Cancel.
  uint64_t Submit(Request request, FinishCallback on_finish);
  // The request, all its samples, ends with kCancelled at the next step. Unknown and finished
  // tickets are ignored.
  void Cancel(uint64_t ticket);
  // Every request submitted so far, and no later one, ends with kCancelled at the next step.
  // Async-signal-safe: moves a mark, and takes no lock.
  void CancelAll();

  // One round: mailbox, Plan, Run, sample, Commit, callbacks. False where there was nothing to do.
  bool Step();
  // Steps until nothing is left.
  void RunUntilIdle();
  // Steps, and sleeps while idle, until Stop() is called and nothing is left.
  void Serve();
  // For good: a later Serve returns as soon as nothing is left.
  void Stop();

  const Scheduler& scheduler() const { return scheduler_; }
  // First broken invariant, where check_invariants is on. Belongs to the loop's thread.
  const absl::Status& invariants() const { return invariants_; }

 private:
  struct Mail {
    uint64_t ticket;
    Request request;
    FinishCallback on_finish;
  };
  // A request whose samples have not all finished.
  struct Client {
    RequestId first_sample;
    int samples;
    int unfinished;
    FinishCallback on_finish;
  };

  bool TakeMail();
  void Accept(Mail mail);
  void Reject(const Mail& mail, const absl::Status& status);
  void CancelSamples(const Client& client);
  void ApplyCancelAll();
  void RunPlan(const StepPlan& plan);
  void Observe(const StepPlan& plan);
  void SampleRows(const StepPlan& plan, absl::Span<const float> logits);
  bool DeliverFinished();

  const SessionOptions options_;
  Executor& executor_;
  const Clock& clock_;

  // A standard mutex: packaged Abseil libraries are not built with ThreadSanitizer, which would
  // then see no order in what absl::Mutex guards.
  std::mutex mutex_;
  std::condition_variable mail_came_;
  std::vector<Mail> inbox_;        // guarded by mutex_
  std::vector<uint64_t> cancels_;  // guarded by mutex_; tickets
  bool stop_ = false;              // guarded by mutex_
  std::atomic<uint64_t> next_ticket_ = 1;
  std::atomic<uint64_t> cancel_before_ = 0;  // smaller tickets are cancelled
  static_assert(std::atomic<uint64_t>::is_always_lock_free, "CancelAll runs in signal handlers");

  // The loop's own.
  Scheduler scheduler_;
  Sampler sampler_;
  const CostShape shape_;
  uint64_t cancelled_before_ = 0;                     // what of cancel_before_ is done
  absl::flat_hash_map<uint64_t, Client> clients_;     // by ticket
  absl::flat_hash_map<RequestId, uint64_t> tickets_;  // of each sample
  std::vector<Mail> taken_mail_;
  std::vector<uint64_t> taken_cancels_;
  StepBatch batch_;
  StepWork work_;
  std::vector<SampleOutcome> outcomes_;
  StepEvent event_;
  absl::Status invariants_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_SESSION_H_
