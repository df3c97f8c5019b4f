#include "tools/scale_run.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/scale_sweeps.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr size_t kMostWarmUps = 8;     // of a point
constexpr size_t kLeastForStable = 4;  // StableFrom says nothing of fewer
constexpr double kWarmUpShare = 0.2;   // of the time, for warm-ups beyond each point's first

// One point on its way through the loop.
struct Track {
  int64_t point = 0;
  std::vector<double> seconds;   // of its samples
  double expected_seconds = -1;  // of its next repetition; -1: not known yet
  bool finished = false;
};

class Loop {
 public:
  Loop(const ScaleLoopOptions& options, absl::Span<const int64_t> points, PointRunner& runner,
       const Clock& clock, const ScaleLoopHooks& hooks, ScaleData& data,
       std::vector<std::string>& left_out)
      : options_(options),
        runner_(runner),
        clock_(clock),
        hooks_(hooks),
        data_(data),
        left_out_(left_out),
        start_seconds_(clock.NowSeconds()) {
    for (const int64_t point : points) tracks_.push_back({point, {}, -1, false});
    for (const ScaleSample& sample : data.samples) {
      for (Track& track : tracks_) {
        if (track.point != sample.point) continue;
        track.seconds.push_back(sample.seconds);
        next_repetition_ = std::max(next_repetition_, sample.repetition + 1);
      }
    }
    for (Track& track : tracks_) Settle(track);
  }

  absl::Status Run() {
    if (absl::Status status = WarmUpAll(); !status.ok()) return status;
    while (true) {
      const absl::StatusOr<bool> ran = RunRound();
      if (!ran.ok()) return ran.status();
      if (!*ran) return absl::OkStatus();
      if (!hooks_.after_round) continue;
      if (absl::Status status = hooks_.after_round(); !status.ok()) return status;
    }
  }

 private:
  const ScalePoint& PointOf(const Track& track) const {
    return data_.points[static_cast<size_t>(track.point)];
  }
  double Left() const { return options_.until_seconds - clock_.NowSeconds(); }

  void Settle(Track& track) {
    const auto repetitions = static_cast<int>(track.seconds.size());
    track.finished = track.finished || repetitions >= options_.most_repetitions ||
                     PreciseEnough(track.seconds, options_.stop);
  }

  void LeaveOut(Track& track, absl::string_view why) {
    track.finished = true;
    left_out_.push_back(absl::StrCat(DescribePoint(PointOf(track)), ": ", why));
  }

  // Runs the point, and keeps in mind how long that took. A point without room leaves no seconds.
  absl::StatusOr<ScaleSample> RunOnce(Track& track) {
    if (hooks_.cancelled && hooks_.cancelled()) return absl::CancelledError("interrupted");
    absl::StatusOr<ScaleSample> sample = runner_.Run(PointOf(track));
    if (sample.ok()) track.expected_seconds = sample->seconds;
    if (hooks_.progress) hooks_.progress(PartDone());
    return sample;
  }

  double PartDone() const {
    const double given = options_.until_seconds - start_seconds_;
    const double by_time = given > 0 ? (clock_.NowSeconds() - start_seconds_) / given : 1;
    const auto finished = std::count_if(tracks_.begin(), tracks_.end(),
                                        [](const Track& track) { return track.finished; });
    const double by_points =
        static_cast<double>(finished) / static_cast<double>(std::max<size_t>(1, tracks_.size()));
    return std::clamp(std::max(by_time, by_points), 0.0, 1.0);
  }

  absl::Status WarmUpAll() {
    std::vector<Track*> order;
    for (Track& track : tracks_) order.push_back(&track);
    std::stable_sort(order.begin(), order.end(), [this](const Track* a, const Track* b) {
      return PointCost(PointOf(*a)) < PointCost(PointOf(*b));
    });
    const double allowance = kWarmUpShare * Left() / static_cast<double>(order.size() + 1);
    double slowest_rate = 0;  // seconds for a unit of cost, of the costliest point so far
    for (Track* track : order) {
      if (track->finished) continue;
      const double cost = PointCost(PointOf(*track));
      // It will run once more to be measured.
      if (2 * cost * slowest_rate > Left() || Left() <= 0) {
        if (track->seconds.empty()) LeaveOut(*track, kNoTimeLeft);
        track->finished = true;
        continue;
      }
      if (absl::Status status = WarmUp(*track, allowance); !status.ok()) return status;
      if (cost > 0 && track->expected_seconds > 0) slowest_rate = track->expected_seconds / cost;
    }
    return absl::OkStatus();
  }

  absl::Status WarmUp(Track& track, double allowance) {
    std::vector<double> times;
    double spent = 0;
    bool stable = false;
    do {
      const absl::StatusOr<ScaleSample> sample = RunOnce(track);
      if (absl::IsResourceExhausted(sample.status())) {
        LeaveOut(track, sample.status().message());
        return absl::OkStatus();
      }
      if (!sample.ok()) return sample.status();
      times.push_back(sample->seconds);
      spent += sample->seconds;
      stable =
          times.size() >= kLeastForStable && StableFrom(times) < static_cast<int64_t>(times.size());
    } while (!stable && times.size() < kMostWarmUps && spent + times.back() < allowance);
    return absl::OkStatus();
  }

  // False where no point ran: all are finished, or the time is up.
  absl::StatusOr<bool> RunRound() {
    std::vector<Track*> order;
    for (Track& track : tracks_) {
      if (!track.finished && track.expected_seconds <= Left()) order.push_back(&track);
    }
    if (order.empty()) return false;
    std::mt19937_64 random(options_.seed + static_cast<uint64_t>(next_repetition_));
    Shuffle(order, random);
    const Anchors anchors = runner_.MeasureAnchors();
    bool ran = false;
    for (Track* track : order) {
      if (track->expected_seconds > Left()) continue;
      const double start = clock_.NowSeconds();
      absl::StatusOr<ScaleSample> sample = RunOnce(*track);
      if (!sample.ok()) return sample.status();
      sample->point = track->point;
      sample->repetition = next_repetition_;
      sample->start_seconds = start;
      sample->anchors = anchors;
      track->seconds.push_back(sample->seconds);
      data_.samples.push_back(*std::move(sample));
      Settle(*track);
      ran = true;
    }
    ++next_repetition_;
    return ran;
  }

  // std::shuffle's order is the library's own; this one is the same everywhere.
  static void Shuffle(std::vector<Track*>& order, std::mt19937_64& random) {
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  }

  const ScaleLoopOptions& options_;
  PointRunner& runner_;
  const Clock& clock_;
  const ScaleLoopHooks& hooks_;
  ScaleData& data_;
  std::vector<std::string>& left_out_;
  const double start_seconds_;
  std::vector<Track> tracks_;
  int next_repetition_ = 0;
};

}  // namespace

absl::Status MeasurePoints(const ScaleLoopOptions& options, absl::Span<const int64_t> points,
                           PointRunner& runner, const Clock& clock, const ScaleLoopHooks& hooks,
                           ScaleData& data, std::vector<std::string>& left_out) {
  return Loop(options, points, runner, clock, hooks, data, left_out).Run();
}

std::string DescribePoint(const ScalePoint& point) {
  std::string text = absl::StrCat(ScaleSweepName(point.sweep), " of ", point.model, ", ",
                                  FormatCount(point.tokens), " tokens");
  if (point.streams > 1) absl::StrAppend(&text, ", ", point.streams, " streams");
  if (point.chunk > 0 && point.chunk < point.tokens) {
    absl::StrAppend(&text, " in chunks of ", point.chunk);
  }
  return text;
}

}  // namespace plumbline
