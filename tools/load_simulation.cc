#include "tools/load_simulation.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace plumbline {

absl::StatusOr<absl::Span<const float>> SimulatedExecutor::Run(const StepBatch& batch,
                                                               StepWork* /*work*/) {
  clock_.Advance(seconds_(SpanShapes(batch), clock_.NowSeconds()));
  const auto floats = static_cast<size_t>(batch.num_logit_rows) * kSimulatedVocab;
  if (logits_.size() < floats) logits_.resize(floats, 0.0F);
  return absl::MakeConstSpan(logits_).first(floats);
}

// A step is computed when it starts, so its ends lie ahead of the others' time: a router may not
// know of them yet.
class SimulationTarget::Ends final : public LoadSink {
 public:
  explicit Ends(LoadSink& sink) : sink_(sink) {}
  void OnToken(int64_t id, double seconds) override { sink_.OnToken(id, seconds); }
  void OnFinish(const LoadFinish& finish) override {
    ends_.push(finish.seconds);
    sink_.OnFinish(finish);
  }
  void OnStep(const StepRecord& step, absl::Span<const LoadSpan> spans,
              absl::Span<const int64_t> preempted) override {
    sink_.OnStep(step, spans, preempted);
  }
  void OnAnchors(const AnchorMark& mark) override { sink_.OnAnchors(mark); }
  void OnRepeat(RepeatedStep step) override { sink_.OnRepeat(std::move(step)); }
  // Ends that are yet to come at `now`.
  int64_t After(double now) {
    while (!ends_.empty() && ends_.top() <= now) ends_.pop();
    return static_cast<int64_t>(ends_.size());
  }

 private:
  LoadSink& sink_;
  std::priority_queue<double, std::vector<double>, std::greater<>> ends_;
};

struct SimulationTarget::Replica {
  Replica(const SimulationOptions& options, const SessionOptions& session, int64_t number,
          LoadSink& sink)
      : ends(sink),
        executor(options.shape, options.context, options.step_seconds, clock),
        replica(session, executor, options.num_blocks, clock, number, ends) {}

  VirtualClock clock;
  Ends ends;
  SimulatedExecutor executor;
  LoadReplica replica;
};

SimulationTarget::SimulationTarget(const SimulationOptions& options, LoadSink& sink)
    : options_(options) {
  SessionOptions session = options.session;
  session.keep_steps = false;
  session.profile = nullptr;
  for (int64_t number = 0; number < options.replicas; ++number) {
    replicas_.push_back(std::make_unique<Replica>(options_, session, number, sink));
  }
}

SimulationTarget::~SimulationTarget() = default;

// The busy replica whose next step starts first; null: all are idle.
SimulationTarget::Replica* SimulationTarget::NextToStep() const {
  Replica* next = nullptr;
  for (const std::unique_ptr<Replica>& replica : replicas_) {
    if (replica->replica.in_flight() == 0) continue;
    if (next == nullptr || replica->clock.NowSeconds() < next->clock.NowSeconds()) {
      next = replica.get();
    }
  }
  return next;
}

size_t SimulationTarget::Route() {
  if (options_.route == LoadRoute::kRoundRobin) return next_replica_++ % replicas_.size();
  const double now = now_seconds_;
  const auto load = [now](const std::unique_ptr<Replica>& replica) {
    return replica->replica.in_flight() + replica->ends.After(now);
  };
  const auto least = std::min_element(
      replicas_.begin(), replicas_.end(),
      [&load](const auto& first, const auto& second) { return load(first) < load(second); });
  return static_cast<size_t>(least - replicas_.begin());
}

int64_t SimulationTarget::Submit(LoadSend send) {
  const size_t number = Route();
  Replica& replica = *replicas_[number];
  if (replica.replica.in_flight() == 0) {
    // Where its last step still runs, the clock stands at that step's end already.
    replica.clock.MoveTo(now_seconds_);
    if (options_.pause_seconds) replica.clock.Advance(options_.pause_seconds());
  }
  replica.replica.Submit(std::move(send));
  return static_cast<int64_t>(number);
}

absl::Status SimulationTarget::Step(double wake_seconds) {
  Replica* next = NextToStep();
  if (next == nullptr) return absl::OkStatus();
  const double start = std::max(now_seconds_, next->clock.NowSeconds());
  now_seconds_ = std::min(start, wake_seconds);
  if (start >= wake_seconds) return absl::OkStatus();
  if (!next->replica.Step()) {
    return absl::InternalError("the scheduler runs nothing, though requests wait: this is a bug");
  }
  if (options_.pause_seconds && next->replica.in_flight() > 0) {
    next->clock.Advance(options_.pause_seconds());
  }
  return absl::OkStatus();
}

void SimulationTarget::WaitUntil(double seconds) { now_seconds_ = std::max(now_seconds_, seconds); }

void SimulationTarget::CancelAll() {
  for (const std::unique_ptr<Replica>& replica : replicas_) replica->replica.CancelAll();
}

}  // namespace plumbline
