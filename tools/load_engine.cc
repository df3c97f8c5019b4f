#include "tools/load_engine.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace plumbline {

EngineTarget::EngineTarget(const SessionOptions& options, Model& model, KvStore& store,
                           LoadSink& sink, const AnchorPlan& anchors)
    : clock_(wall_),
      anchors_(anchors, clock_, sink),
      executor_(model, store),
      repeating_(executor_, anchors.repeat_every, clock_, sink),
      replica_(options, repeating_, store.num_blocks(), clock_, /*number=*/0, sink) {}

int64_t EngineTarget::Submit(LoadSend send) {
  replica_.Submit(std::move(send));
  return 0;
}

absl::Status EngineTarget::Step(double /*wake_seconds*/) {
  if (!replica_.Step() && replica_.in_flight() > 0) {
    return absl::InternalError("the scheduler runs nothing, though requests wait: this is a bug");
  }
  anchors_.BetweenSteps();
  return absl::OkStatus();
}

void EngineTarget::WaitUntil(double seconds) {
  // Short enough for an interrupt to be seen.
  constexpr double kLongestNap = 0.05;
  const double nap = std::clamp(seconds - Now(), 0.0, kLongestNap);
  std::this_thread::sleep_for(std::chrono::duration<double>(nap));
}

}  // namespace plumbline
