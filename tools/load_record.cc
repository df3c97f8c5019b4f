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
