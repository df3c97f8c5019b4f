// Which blocks sequences hold: what they grow by, find in the cache, and give back.
#ifndef PLUMBLINE_SCHEDULER_SEQUENCE_BLOCKS_H_
#define PLUMBLINE_SCHEDULER_SEQUENCE_BLOCKS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "cache/block_mover.h"
#include "cache/block_pool.h"
#include "cache/prefix_index.h"
#include "scheduler/preemption.h"
#include "scheduler/sequence.h"

namespace plumbline {

// Tokens that starting sequences looked for in the cache, restarts after preemption included.
struct PrefixStats {
  int64_t lookup_tokens = 0;  // known when their sequence started, but for one swapped out
  int64_t hit_tokens = 0;     // of them, found: they were not computed again

  double hit_rate() const {
    return lookup_tokens > 0 ? static_cast<double>(hit_tokens) / static_cast<double>(lookup_tokens)
                             : 0;
  }
};

// Not thread-safe.
class SequenceBlocks {
 public:
  // `pool` and `mover`, which may be null, are not owned; all of the mover's host memory is for
  // sequences that are swapped out. `prefix_sharing`: full blocks are shared,
  // and kept after their sequences end, until the pool needs them. REQUIRES: block_tokens >= 1.
  SequenceBlocks(BlockPool& pool, int block_tokens, bool prefix_sharing, BlockMover* mover);

  // Blocks that Grow can take: free ones, and kept ones that nobody uses.
  int64_t available() const;
  // Blocks kept for later alone, and those that sequences share through the index.
  int num_indexed() const { return index_ ? index_->num_blocks() : 0; }
  const PrefixStats& prefix_stats() const { return stats_; }
  const PreemptionStats& preemption_stats() const { return preemption_stats_; }

  // For a sequence that holds nothing: takes the blocks that hold the beginning of its known
  // tokens (all but the last, whose logits are wanted), and counts these as computed. `twin`, where
  // not null, is a sequence with the same prompt: what it has computed of that is shared too, and
  // a block of it that only begins with that is copied, so that both can go on writing. What was
  // swapped out, and is not found, moves back. False, with nothing taken, where too few blocks are
  // available for the rest of the known tokens.
  bool Start(Sequence& sequence, const Sequence* twin);
  // Grows the table for `tokens` tokens. REQUIRES: so many blocks are available.
  void Grow(Sequence& sequence, int64_t tokens);
  // Makes the blocks that have become full known to others.
  void Index(Sequence& sequence);
  // Takes everything back. `swap`: first what the sequence has computed moves to host memory, where
  // that has room for all of it. Notes so in the last of its evictions.
  // REQUIRES: it has such; it holds blocks, and no more than for its computed tokens.
  void Preempt(Sequence& sequence, bool swap);
  // Takes everything back, host memory too; the sequence counts as not computed.
  void Release(Sequence& sequence);

  // Appends a block for each reference that the index holds.
  void AppendOwned(std::vector<BlockId>* owned) const;
  // Those of the index, and of host memory. `host_owned`: the blocks of all host tables.
  absl::Status CheckInvariants(absl::Span<const BlockId> host_owned) const;

 private:
  void CopyPartialBlock(Sequence& sequence, const Sequence& twin, int64_t common);
  bool SwapOut(Sequence& sequence);
  void SwapIn(Sequence& sequence);
  // All of the pool's blocks.
  void GiveBack(Sequence& sequence);
  int64_t ShareFullBlocks(Sequence& sequence, const Sequence& twin);

  BlockPool& pool_;
  BlockMover* mover_;
  std::optional<PrefixIndex> index_;
  BlockPool host_pool_;  // of the mover's host memory
  PrefixStats stats_;
  PreemptionStats preemption_stats_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_SEQUENCE_BLOCKS_H_
