#include "tools/load_anchors.h"

#include <algorithm>
#include <cstddef>

namespace plumbline {

double LoadClock::StandStill(const std::function<void()>& work) {
  const double start = wall_.NowSeconds();
  work();
  const double took = wall_.NowSeconds() - start;
  zero_seconds_ += took;
  return took;
}

void AnchorWatch::BetweenSteps() {
  if (!plan_.measure) return;
  AnchorMark mark;
  mark.seconds = clock_.NowSeconds();
  if (mark.seconds - last_seconds_ < plan_.every_seconds) return;
  mark.cost_seconds = clock_.StandStill([&] { mark.anchors = plan_.measure(); });
  last_seconds_ = mark.seconds;
  sink_.OnAnchors(mark);
}

AnchoredProfile::AnchoredProfile(const MachineProfile& profile,
                                 absl::Span<const AnchorMark> marks) {
  for (const AnchorMark& mark : SmoothMarks(marks)) {
    seconds_.push_back(mark.seconds);
    profiles_.push_back(AtAnchors(profile, mark.anchors));
  }
  if (profiles_.empty()) profiles_.push_back(profile);
}

const MachineProfile& AnchoredProfile::At(double seconds) const {
  if (seconds_.empty()) return profiles_.front();
  const auto after = std::lower_bound(seconds_.begin(), seconds_.end(), seconds);
  if (after == seconds_.begin()) return profiles_.front();
  auto nearest = static_cast<size_t>(after - seconds_.begin());
  if (after == seconds_.end() || seconds - seconds_[nearest - 1] <= *after - seconds) --nearest;
  return profiles_[nearest];
}

}  // namespace plumbline
