// A load target over the fake executor: every token of a step takes the same time, so that all
// times of a run can be worked out on paper.
#ifndef PLUMBLINE_TESTS_SUPPORT_FAKE_LOAD_TARGET_H_
#define PLUMBLINE_TESTS_SUPPORT_FAKE_LOAD_TARGET_H_

#include <algorithm>
#include <cstdint>
#include <utility>

#include "tests/support/fake_executor.h"
#include "tests/support/manual_clock.h"
#include "tools/load_replica.h"
#include "tools/load_target.h"

namespace plumbline {

class FakeLoadTarget final : public LoadTarget {
 public:
  FakeLoadTarget(const FakeExecutorOptions& options, int step_tokens, LoadSink& sink)
      : executor_(options, &clock_),
        replica_(Options(step_tokens), executor_, options.num_blocks, clock_, 0, sink,
                 [this](BlockId block) { executor_.Forget(block); }) {}

  double Now() const override { return clock_.NowSeconds(); }
  int64_t Submit(LoadSend send) override {
    replica_.Submit(std::move(send));
    return 0;
  }
  absl::Status Step(double /*wake_seconds*/) override {
    replica_.Step();
    return absl::OkStatus();
  }
  void WaitUntil(double seconds) override { clock_.Advance(std::max(0.0, seconds - Now())); }
  void CancelAll() override { replica_.CancelAll(); }
  // What the executor found wrong with the batches.
  const absl::Status& violation() const { return executor_.violation(); }

 private:
  SessionOptions Options(int step_tokens) const {
    SessionOptions options;
    options.scheduler.step_tokens = step_tokens;
    options.scheduler.geometry = executor_.geometry();
    return options;
  }

  ManualClock clock_;
  FakeExecutor executor_;
  LoadReplica replica_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_FAKE_LOAD_TARGET_H_
