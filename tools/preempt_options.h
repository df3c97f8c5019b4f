// The user's choice of who makes room in a full cache, and of where its blocks go.
#ifndef PLUMBLINE_TOOLS_PREEMPT_OPTIONS_H_
#define PLUMBLINE_TOOLS_PREEMPT_OPTIONS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cache/kv_geometry.h"
#include "cache/kv_store.h"
#include "scheduler/preemption.h"

namespace plumbline {

struct PreemptOptions {
  std::string mode = "recompute";      // PreemptModeName
  std::string victim = "newest";       // PreemptVictimName
  std::optional<int64_t> swap_blocks;  // of host memory; none: as many as the cache has
  std::string swap_dir;                // where their file lies; empty: plain memory

  PreemptPolicy policy() const;
};

// Blocks of host memory beside the cache's `cache_blocks`: as asked for, or as many as the cache
// has, as far as the `free_bytes` for both go; 0 where nothing is swapped. A file's room is found
// out when it is made. ResourceExhausted for more than there can be.
absl::StatusOr<int> ChooseSwapBlocks(const PreemptOptions& options, int64_t block_bytes,
                                     int64_t free_bytes, int cache_blocks);

// A store for that many blocks, in memory or in the file; null for 0. Errors of KvStore.
absl::StatusOr<std::unique_ptr<KvStore>> MakeHostStore(const PreemptOptions& options,
                                                       const KvGeometry& geometry, int blocks);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_PREEMPT_OPTIONS_H_
