#include "scheduler/sequence_blocks.h"

#include <algorithm>
#include <cstddef>

#include "absl/types/span.h"

namespace plumbline {

SequenceBlocks::SequenceBlocks(BlockPool& pool, int block_tokens, bool prefix_sharing,
                               BlockMover* mover)
    : pool_(pool), mover_(mover) {
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
    Release(sequence);
    return false;
  }
  sequence.indexed_blocks = indexed;
  sequence.shared_blocks = static_cast<int>(table.blocks().size());
  sequence.computed_tokens = static_cast<int>(table.capacity_tokens());
  if (common > table.capacity_tokens() && mover_ != nullptr) {
    const size_t partial = table.blocks().size();
    Grow(sequence, common);
    mover_->Copy(twin->table.blocks()[partial], table.blocks()[partial]);
    sequence.computed_tokens = static_cast<int>(common);
  }
  sequence.result.prefix_hit_tokens += sequence.computed_tokens;
  if (index_ || twin != nullptr) stats_.lookup_tokens += known;
  stats_.hit_tokens += sequence.computed_tokens;
  return true;
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
