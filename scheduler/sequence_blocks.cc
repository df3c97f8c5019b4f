#include "scheduler/sequence_blocks.h"

#include <cstddef>

#include "absl/types/span.h"

namespace plumbline {

SequenceBlocks::SequenceBlocks(BlockPool& pool, int block_tokens, bool prefix_sharing)
    : pool_(pool) {
  if (prefix_sharing) index_.emplace(pool, block_tokens);
}

int64_t SequenceBlocks::available() const {
  return pool_.num_free() + (index_ ? index_->num_evictable() : 0);
}

bool SequenceBlocks::Start(Sequence& sequence) {
  const auto known = static_cast<int64_t>(sequence.tokens.size());
  BlockTable& table = sequence.table;
  if (index_) {
    sequence.chain = index_->Acquire(sequence.tokens, (known - 1) / table.block_tokens(), table);
  }
  if (table.BlocksToGrow(known) > available()) {
    Release(sequence);
    return false;
  }
  sequence.indexed_blocks = sequence.shared_blocks = static_cast<int>(table.blocks().size());
  sequence.computed_tokens = static_cast<int>(table.capacity_tokens());
  sequence.result.prefix_hit_tokens += sequence.computed_tokens;
  if (index_) stats_.lookup_tokens += known;
  stats_.hit_tokens += sequence.computed_tokens;
  return true;
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

void SequenceBlocks::Release(Sequence& sequence) {
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

absl::Status SequenceBlocks::CheckInvariants() const {
  return index_ ? index_->CheckInvariants() : absl::OkStatus();
}

}  // namespace plumbline
