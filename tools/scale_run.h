// The measuring loop of `plumbline scale`: which point runs when, and when it has run enough.
#ifndef PLUMBLINE_TOOLS_SCALE_RUN_H_
#define PLUMBLINE_TOOLS_SCALE_RUN_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "scheduler/clock.h"
#include "tools/scale_samples.h"
#include "tools/steadiness.h"

namespace plumbline {

// What runs a point: the engine, or a fake of the tests.
class PointRunner {
 public:
  virtual ~PointRunner() = default;
  // Runs the point once and fills all of a sample but point, repetition, start and anchors.
  // ResourceExhausted where there is no room for it: it is left out then, and the others go on.
  virtual absl::StatusOr<ScaleSample> Run(const ScalePoint& point) = 0;
  // Zero where they are not wanted.
  virtual Anchors MeasureAnchors() = 0;
};

// Ends the reason of whatever was left out for want of time.
inline constexpr absl::string_view kNoTimeLeft = "no time was left: give more with --minutes";

struct ScaleLoopOptions {
  StopRule stop;
  int most_repetitions = 40;
  // No repetition begins that would be likely to end later than this, by the loop's clock.
  double until_seconds = 0;
  uint64_t seed = 1;  // of the order within a round
};

struct ScaleLoopHooks {
  // Asked before each repetition; true ends the loop. May be empty.
  std::function<bool()> cancelled;
  // Told after each repetition, warm-up or not, what part of the loop is done, 0 to 1. May be
  // empty.
  std::function<void(double part)> progress;
  // Called after each round. An error ends the loop. May be empty.
  std::function<absl::Status()> after_round;
};

// Measures `points` of `data` in rounds: each round runs every point once that is not finished, in
// a seeded order of its own, so that a machine that drifts meets all points alike. Before the first
// round each point runs untimed until its times are stable (StableFrom), the cheapest first. A
// point is finished when its samples are precise enough (PreciseEnough) or as many as allowed; when
// the time is up, so are all.
//
// Samples go behind those that `data` has, which count as this loop's own: a loop that was ended
// goes on where it stopped. Reasons for points that were left out (no room, no time) go to
// `left_out`. Seconds are those of `clock`, from its own zero.
//
// Cancelled where a hook said so, with every complete sample in `data`; else the errors of `runner`
// and of after_round. REQUIRES: every index is one of a point of `data`.
absl::Status MeasurePoints(const ScaleLoopOptions& options, absl::Span<const int64_t> points,
                           PointRunner& runner, const Clock& clock, const ScaleLoopHooks& hooks,
                           ScaleData& data, std::vector<std::string>& left_out);

// The point in words, e.g. "prefill of synthetic:13b, 2,048 tokens in chunks of 512".
std::string DescribePoint(const ScalePoint& point);

// A clock that starts at `offset` seconds when it is made.
class OffsetClock final : public Clock {
 public:
  // `clock` is not owned.
  OffsetClock(const Clock& clock, double offset)
      : clock_(clock), zero_(clock.NowSeconds() - offset) {}
  double NowSeconds() const override { return clock_.NowSeconds() - zero_; }

 private:
  const Clock& clock_;
  const double zero_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_RUN_H_
