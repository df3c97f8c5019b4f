#include "tools/preempt_options.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace plumbline {

// The command line lets no other words pass.
PreemptPolicy PreemptOptions::policy() const {
  PreemptPolicy policy;
  for (const PreemptMode known : {PreemptMode::kSwap, PreemptMode::kAuto}) {
    if (mode == PreemptModeName(known)) policy.mode = known;
  }
  if (victim == PreemptVictimName(PreemptVictim::kLargest)) {
    policy.victim = PreemptVictim::kLargest;
  }
  return policy;
}

absl::StatusOr<int> ChooseSwapBlocks(const PreemptOptions& options, int64_t block_bytes,
                                     int64_t free_bytes, int cache_blocks) {
  if (options.policy().mode == PreemptMode::kRecompute) return 0;
  const int64_t wanted = options.swap_blocks.value_or(cache_blocks);
  if (!options.swap_dir.empty()) return static_cast<int>(wanted);
  const int64_t possible = std::max<int64_t>(0, free_bytes / block_bytes - cache_blocks);
  if (options.swap_blocks && wanted > possible) {
    return absl::ResourceExhaustedError(
        absl::StrCat("swapping: ", wanted, " blocks of ", block_bytes,
                     " bytes need more memory than the ", possible,
                     " blocks that are free beside weights and cache: lower --swap-blocks, or give "
                     "them a file with --swap-dir"));
  }
  return static_cast<int>(std::min(wanted, possible));
}

absl::StatusOr<std::unique_ptr<KvStore>> MakeHostStore(const PreemptOptions& options,
                                                       const KvGeometry& geometry, int blocks) {
  if (blocks == 0) return nullptr;
  return options.swap_dir.empty() ? KvStore::Create(geometry, blocks)
                                  : KvStore::CreateInFile(geometry, blocks, options.swap_dir);
}

}  // namespace plumbline
