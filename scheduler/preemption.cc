#include "scheduler/preemption.h"

#include "engine/rate_tables.h"
#include "engine/step_time.h"

namespace plumbline {
namespace {

constexpr double kBeyondCachesBytes = 1e18;
constexpr double kPassesOfSwap = 4;  // a read and a write, there and back

}  // namespace

absl::string_view PreemptModeName(PreemptMode mode) {
  switch (mode) {
    case PreemptMode::kRecompute:
      return "recompute";
    case PreemptMode::kSwap:
      return "swap";
    case PreemptMode::kAuto:
      return "auto";
  }
  return "unknown";
}

absl::string_view PreemptVictimName(PreemptVictim victim) {
  switch (victim) {
    case PreemptVictim::kNewest:
      return "newest";
    case PreemptVictim::kLargest:
      return "largest";
  }
  return "unknown";
}

double RecomputeSeconds(const MachineProfile& profile, const CostShape& shape, int64_t tokens) {
  const SpanShape span = {0, tokens, 0};
  return PredictStep(profile, shape, {&span, 1}).seconds();
}

double SwapSeconds(const MachineProfile& profile, int64_t bytes) {
  return kPassesOfSwap * static_cast<double>(bytes) *
         RateTables(profile).ReadByteSeconds(kBeyondCachesBytes);
}

}  // namespace plumbline
