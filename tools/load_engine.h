// The engine of this process, in real time, as a load test's target.
#ifndef PLUMBLINE_TOOLS_LOAD_ENGINE_H_
#define PLUMBLINE_TOOLS_LOAD_ENGINE_H_

#include "cache/kv_store.h"
#include "engine/model.h"
#include "scheduler/clock.h"
#include "scheduler/session.h"
#include "tools/load_anchors.h"
#include "tools/load_repeats.h"
#include "tools/load_replica.h"
#include "tools/load_target.h"

namespace plumbline {

class EngineTarget final : public LoadTarget {
 public:
  // `model`, `store` and `sink` are not owned; nobody else uses the store. REQUIRES: as Session's
  // constructor.
  EngineTarget(const SessionOptions& options, Model& model, KvStore& store, LoadSink& sink,
               const AnchorPlan& anchors = {});

  double Now() const override { return clock_.NowSeconds(); }
  int64_t Submit(LoadSend send) override;
  absl::Status Step(double wake_seconds) override;
  void WaitUntil(double seconds) override;
  void CancelAll() override { replica_.CancelAll(); }

 private:
  SteadyClock wall_;
  LoadClock clock_;
  AnchorWatch anchors_;
  ModelExecutor executor_;
  RepeatingExecutor repeating_;  // around it
  LoadReplica replica_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_ENGINE_H_
