// Who makes room when the pool is empty, and what becomes of what the victim has computed.
#ifndef PLUMBLINE_SCHEDULER_PREEMPTION_H_
#define PLUMBLINE_SCHEDULER_PREEMPTION_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "engine/cost_model.h"
#include "engine/machine_profile.h"

namespace plumbline {

// The two ways of Kwon et al. 2023, section 4.5. Neither changes a token.
enum class PreemptMode : uint8_t {
  kRecompute,  // the blocks are given back, and what they held is computed again
  kSwap,       // the blocks' contents move to host memory, and back; kRecompute where that is full
  kAuto,       // what is predicted to take less time; kRecompute without a machine profile
};
// "recompute", "swap", "auto".
absl::string_view PreemptModeName(PreemptMode mode);

enum class PreemptVictim : uint8_t {
  kNewest,   // the last to have started
  kLargest,  // holds the most blocks; of several such, the last to have started
};
// "newest", "largest".
absl::string_view PreemptVictimName(PreemptVictim victim);

struct PreemptPolicy {
  PreemptMode mode = PreemptMode::kRecompute;
  PreemptVictim victim = PreemptVictim::kNewest;
};

// Of all preemptions.
struct PreemptionStats {
  int64_t recomputed = 0;          // victims whose contents were dropped
  int64_t swapped = 0;             // victims whose contents moved to host memory
  int64_t swapped_out_blocks = 0;  // to host memory
  int64_t swapped_in_blocks = 0;   // back; fewer where one ended meanwhile, or found its blocks
  int64_t swapped_bytes = 0;       // both ways, as moved
};

// Predicted seconds to compute `tokens` tokens anew, in one step.
double RecomputeSeconds(const MachineProfile& profile, const CostShape& shape, int64_t tokens);
// Predicted seconds to move `bytes` bytes to host memory and back: two copies, each of which reads
// and writes every byte at the rate of reads far beyond the caches.
double SwapSeconds(const MachineProfile& profile, int64_t bytes);

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_PREEMPTION_H_
