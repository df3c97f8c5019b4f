#include "scheduler/sequence_blocks.h"

#include <algorithm>
#include <cstddef>

#include "absl/types/span.h"

namespace plumbline {

SequenceBlocks::SequenceBlocks(BlockPool& pool, int block_tokens, bool prefix_sharing,
                               BlockMover* mover)
    : pool_(pool), mover_(mover), host_pool_(mover == nullptr ? 0 : mover->host_blocks()) {
  if (prefix_sharing) index_.emplace(pool, block_tokens);
}

int64_t SequenceBlocks::available() const {
  return pool_.num_free() + (index_ ? index_->num_evictable() : 0);
}

bool SequenceBlocks::Start(Sequence& sequence, const Sequence* twin) {
  const auto known = static_cast<int64_t>(sequence.tokens.size());
  BlockTable& table = sequence.table;
  if (index_) {
    sequence.chain = index_->Acquire(sequence.tokens, (known - 1) / table.block_tokens(), table);
  }
  const auto indexed = static_cast<int>(table.blocks().size());
  const int64_t common = twin != nullptr ? ShareFullBlocks(sequence, *twin) : 0;
  if (table.BlocksToGrow(known) > available()) {
    GiveBack(sequence);
    return false;
  }
  sequence.indexed_blocks = indexed;
  sequence.shared_blocks = static_cast<int>(table.blocks().size());
  sequence.computed_tokens = static_cast<int>(table.capacity_tokens());
  if (sequence.swapped_tokens > 0) {
    SwapIn(sequence);
    return true;
  }
  if (common > table.capacity_tokens() && mover_ != nullptr) {
    CopyPartialBlock(sequence, *twin, common);
  }
  sequence.result.prefix_hit_tokens += sequence.computed_tokens;
  if (index_ || twin != nullptr) stats_.lookup_tokens += known;
  stats_.hit_tokens += sequence.computed_tokens;
  return true;
}

// The block in which the `common` tokens of both end.
void SequenceBlocks::CopyPartialBlock(Sequence& sequence, const Sequence& twin, int64_t common) {
  const size_t partial = sequence.table.blocks().size();
  Grow(sequence, common);
  mover_->Copy(twin.table.blocks()[partial], sequence.table.blocks()[partial]);
  sequence.computed_tokens = static_cast<int>(common);
}

// Returns how many tokens the two have in common, as far as they are computed and of use.
int64_t SequenceBlocks::ShareFullBlocks(Sequence& sequence, const Sequence& twin) {
  const int64_t common = std::min({static_cast<int>(sequence.tokens.size()) - 1,
                                   sequence.prompt_tokens(), twin.computed_tokens});
  BlockTable& table = sequence.table;
  const auto full = static_cast<size_t>(common / table.block_tokens());
  for (size_t at = table.blocks().size(); at < full; ++at) {
    pool_.Ref(twin.table.blocks()[at]);
    table.Append(twin.table.blocks()[at]);
  }
  return common;
}

void SequenceBlocks::Grow(Sequence& sequence, int64_t tokens) {
  const int64_t missing = sequence.table.BlocksToGrow(tokens) - pool_.num_free();
  if (missing > 0) index_->Evict(missing);  // there is an index: else so many would be free
  sequence.table.Grow(tokens, pool_).IgnoreError();
}

void SequenceBlocks::Index(Sequence& sequence) {
  if (!index_) return;
  const auto block_tokens = static_cast<size_t>(sequence.table.block_tokens());
  while ((static_cast<size_t>(sequence.indexed_blocks) + 1) * block_tokens <=
         static_cast<size_t>(sequence.computed_tokens)) {
    const auto at = static_cast<size_t>(sequence.indexed_blocks++);
    const BlockId own = sequence.table.blocks()[at];
    sequence.chain = index_->Insert(
        sequence.chain,
        absl::MakeConstSpan(sequence.tokens).subspan(at * block_tokens, block_tokens),
        sequence.table, at);
    if (sequence.table.blocks()[at] != own) ++sequence.shared_blocks;
  }
}

void SequenceBlocks::Preempt(Sequence& sequence, bool swap) {
  if (swap && SwapOut(sequence)) {
    ++preemption_stats_.swapped;
  } else {
    ++preemption_stats_.recomputed;
  }
  GiveBack(sequence);
}

// False, with nothing moved, where host memory has too little room.
bool SequenceBlocks::SwapOut(Sequence& sequence) {
  BlockTable& host = sequence.host_table;
  if (!host.Grow(sequence.computed_tokens, host_pool_).ok()) return false;
  for (size_t at = 0; at < host.blocks().size(); ++at) {
    preemption_stats_.swapped_bytes +=
        mover_->SwapOut(sequence.table.blocks()[at], host.blocks()[at]);
  }
  const auto blocks = static_cast<int64_t>(host.blocks().size());
  preemption_stats_.swapped_out_blocks += blocks;
  sequence.result.evictions.back().swapped_out_blocks = blocks;
  sequence.swapped_tokens = sequence.computed_tokens;
  return true;
}

// Behind the blocks that the table has already.
void SequenceBlocks::SwapIn(Sequence& sequence) {
  const absl::Span<const BlockId> host = sequence.host_table.blocks();
  const size_t found = sequence.table.blocks().size();
  Grow(sequence, sequence.swapped_tokens);
  for (size_t at = found; at < host.size(); ++at) {
    preemption_stats_.swapped_bytes += mover_->SwapIn(host[at], sequence.table.blocks()[at]);
  }
  if (host.size() > found) {
    const auto blocks = static_cast<int64_t>(host.size() - found);
    preemption_stats_.swapped_in_blocks += blocks;
    sequence.result.evictions.back().swapped_in_blocks = blocks;
    sequence.computed_tokens = sequence.swapped_tokens;
  }
  sequence.host_table.Clear(host_pool_);
  sequence.swapped_tokens = 0;
}

void SequenceBlocks::Release(Sequence& sequence) {
  GiveBack(sequence);
  sequence.host_table.Clear(host_pool_);
  sequence.swapped_tokens = 0;
}

void SequenceBlocks::GiveBack(Sequence& sequence) {
  if (index_) {
    index_->Release(sequence.table);
  } else {
    sequence.table.Clear(pool_);
  }
  sequence.chain = 0;
  sequence.computed_tokens = sequence.indexed_blocks = sequence.shared_blocks = 0;
}

void SequenceBlocks::AppendOwned(std::vector<BlockId>* owned) const {
  if (index_) index_->AppendOwned(owned);
}

absl::Status SequenceBlocks::CheckInvariants(absl::Span<const BlockId> host_owned) const {
  absl::Status status = host_pool_.CheckInvariants(host_owned);
  if (index_) status.Update(index_->CheckInvariants());
  return status;
}

}  // namespace plumbline
