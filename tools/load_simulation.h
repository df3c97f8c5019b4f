// The same workload through the real scheduler in virtual time: nothing is computed, and a step
// takes as long as the cost model predicts for it, or as long as it took in a run that was
// recorded.
#ifndef PLUMBLINE_TOOLS_LOAD_SIMULATION_H_
#define PLUMBLINE_TOOLS_LOAD_SIMULATION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <vector>

#include "absl/types/span.h"
#include "engine/cost_model.h"
#include "scheduler/clock.h"
#include "scheduler/executor.h"
#include "scheduler/session.h"
#include "tools/load_replica.h"
#include "tools/load_target.h"

namespace plumbline {

// A vocabulary small enough that sampling costs little; the cost model keeps the model's own.
inline constexpr int kSimulatedVocab = 256;

class VirtualClock final : public Clock {
 public:
  double NowSeconds() const override { return now_seconds_; }
  // Never goes back.
  void MoveTo(double seconds) { now_seconds_ = seconds > now_seconds_ ? seconds : now_seconds_; }
  void Advance(double seconds) { now_seconds_ += seconds; }

 private:
  double now_seconds_ = 0;
};

// How long a step of these spans takes that runs at `now_seconds`; called once for each step, in
// order.
using SimulatedSeconds = std::function<double(absl::Span<const SpanShape>, double now_seconds)>;

// Moves its clock, and likes all tokens equally.
class SimulatedExecutor final : public Executor {
 public:
  // `clock` is not owned. `shape` and `context` are those of the model that is simulated.
  SimulatedExecutor(const CostShape& shape, int context, SimulatedSeconds seconds,
                    VirtualClock& clock)
      : shape_(shape), context_(context), seconds_(std::move(seconds)), clock_(clock) {}

  absl::StatusOr<absl::Span<const float>> Run(const StepBatch& batch, StepWork* work) override;
  int vocab() const override { return kSimulatedVocab; }
  int context() const override { return context_; }
  CostShape cost_shape() const override { return shape_; }

 private:
  const CostShape shape_;
  const int context_;
  const SimulatedSeconds seconds_;
  VirtualClock& clock_;
  std::vector<float> logits_;  // [rows, vocab], all 0
};

enum class LoadRoute : uint8_t {
  kRoundRobin,
  kLeastLoaded,  // to the replica with the fewest requests that have not ended; ties: the first
};

struct SimulationOptions {
  SessionOptions session;  // keep_steps and profile are the simulation's own
  CostShape shape;
  int context = 0;
  int num_blocks = 0;  // of each replica
  int64_t replicas = 1;
  LoadRoute route = LoadRoute::kRoundRobin;
  SimulatedSeconds step_seconds;
  // What passes between the end of one step and the start of the next, or between a request's
  // coming to an idle replica and its first step; called once before each step, in order. May be
  // empty: no time passes.
  std::function<double()> pause_seconds;
};

// N schedulers in one virtual time. A replica's step is run when the time of its start is reached,
// so it sees every request that was sent by then.
class SimulationTarget final : public LoadTarget {
 public:
  // `sink` is not owned. REQUIRES: replicas >= 1; step_seconds; as Session's constructor.
  SimulationTarget(const SimulationOptions& options, LoadSink& sink);
  ~SimulationTarget() override;

  double Now() const override { return now_seconds_; }
  int64_t Submit(LoadSend send) override;
  absl::Status Step(double wake_seconds) override;
  void WaitUntil(double seconds) override;
  void CancelAll() override;

 private:
  struct Replica;
  // Stands between a replica and the sink, to see ends.
  class Ends;

  Replica* NextToStep() const;
  size_t Route();

  const SimulationOptions options_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  double now_seconds_ = 0;  // of the last event: a request's coming, or a step's start
  size_t next_replica_ = 0;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_SIMULATION_H_
