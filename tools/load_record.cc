#include "tools/load_record.h"

#include <algorithm>
#include <cmath>

namespace plumbline {

double AnchorDrift(const RepetitionRecord& repetition) {
  if (!repetition.anchors_before.has_value() || !repetition.anchors_after.has_value()) return 0;
  const Anchors& before = *repetition.anchors_before;
  const Anchors& after = *repetition.anchors_after;
  const auto change = [](double first, double second) { return std::abs(second / first - 1); };
  return std::max(change(before.matmul_flops_per_second, after.matmul_flops_per_second),
                  change(before.read_bytes_per_second, after.read_bytes_per_second));
}

absl::StatusOr<Anchors> MeanAnchors(const LoadRecord& record) {
  Anchors sum;
  int taken = 0;
  bool discarded = false;
  for (const RepetitionRecord& repetition : record.repetitions) {
    const bool drifted = AnchorDrift(repetition) > kMostDrift;
    discarded = discarded || drifted;
    if (drifted) continue;
    for (const auto& anchors : {repetition.anchors_before, repetition.anchors_after}) {
      if (!anchors.has_value()) continue;
      sum.matmul_flops_per_second += anchors->matmul_flops_per_second;
      sum.read_bytes_per_second += anchors->read_bytes_per_second;
      ++taken;
    }
  }
  if (taken == 0) {
    return absl::FailedPreconditionError(
        discarded ? "the run is discarded, as the machine's anchors drifted by more than 10% in "
                    "it: repeat it while nothing else runs"
                  : "the run has no anchors: repeat it on the engine, without --no-predict");
  }
  return Anchors{sum.matmul_flops_per_second / taken, sum.read_bytes_per_second / taken};
}

const char* LoadOutcomeName(LoadOutcome outcome) {
  switch (outcome) {
    case LoadOutcome::kCompleted:
      return "completed";
    case LoadOutcome::kCancelled:
      return "cancelled";
    case LoadOutcome::kExpired:
      return "expired";
    case LoadOutcome::kRefused:
      return "refused";
    case LoadOutcome::kFailed:
      return "failed";
    case LoadOutcome::kUnfinished:
      return "unfinished";
  }
  return "unknown";
}

}  // namespace plumbline
