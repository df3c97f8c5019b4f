// Anchors taken through a run, between its steps, and the profile that follows them.
#ifndef PLUMBLINE_TOOLS_LOAD_ANCHORS_H_
#define PLUMBLINE_TOOLS_LOAD_ANCHORS_H_

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "engine/machine_profile.h"
#include "scheduler/clock.h"
#include "tools/load_record.h"
#include "tools/load_target.h"

namespace plumbline {

// A run's clock: begins at 0 when it is made, and stands still while something is done that is no
// part of the run. One thread.
class LoadClock final : public Clock {
 public:
  // `wall` is not owned.
  explicit LoadClock(const Clock& wall) : wall_(wall), zero_seconds_(wall.NowSeconds()) {}

  double NowSeconds() const override { return wall_.NowSeconds() - zero_seconds_; }
  // Does `work`, then goes on from where it stood. Returns what that took of the wall's time.
  double StandStill(const std::function<void()>& work);

 private:
  const Clock& wall_;
  double zero_seconds_;
};

// How often anchors are taken through a run, and by what.
struct AnchorPlan {
  double every_seconds = 1;
  std::function<Anchors()> measure;  // empty: none are taken
  // Every such step is run twice (10: each tenth); 0: none is. REQUIRES: not below 0.
  int64_t repeat_every = 0;
};

// Takes them. One thread.
class AnchorWatch {
 public:
  // `clock` and `sink` are not owned.
  AnchorWatch(AnchorPlan plan, LoadClock& clock, LoadSink& sink)
      : plan_(std::move(plan)), clock_(clock), sink_(sink) {}

  // To be called between steps: measures where the last time lies far enough back.
  void BetweenSteps();

 private:
  const AnchorPlan plan_;
  LoadClock& clock_;
  LoadSink& sink_;
  double last_seconds_ = 0;  // the run's start has anchors of its own
};

// A machine as the marks of a run had it at each time. Immutable: safe from any thread.
class AnchoredProfile {
 public:
  // Where there are no marks: `profile` at all times.
  AnchoredProfile(const MachineProfile& profile, absl::Span<const AnchorMark> marks);

  // At the mark that lies nearest; of two the former.
  const MachineProfile& At(double seconds) const;

 private:
  std::vector<double> seconds_;           // of the marks, ascending
  std::vector<MachineProfile> profiles_;  // one for each; one where there are none
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_ANCHORS_H_
