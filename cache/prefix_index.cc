#include "cache/prefix_index.h"

#include <algorithm>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"

namespace plumbline {

PrefixIndex::PrefixIndex(BlockPool& pool, int block_tokens)
    : pool_(pool),
      block_tokens_(static_cast<size_t>(block_tokens)),
      entries_(static_cast<size_t>(pool.num_blocks()) + 1),
      tokens_(static_cast<size_t>(pool.num_blocks()) * block_tokens_),
      known_(0, HashOf{this}, Same{this}) {
  for (BlockId block = 0; block <= ring(); ++block) {
    entries_[block].older = entries_[block].newer = block;
  }
  // So large that the set cleans up after evictions in place, rather than grow.
  known_.reserve(entries_.size() / 4 * 5 + 8);
}

PrefixIndex::~PrefixIndex() {
  for (const BlockId block : known_) pool_.Unref({&block, 1});
}

PrefixIndex::Contents PrefixIndex::Describe(ChainId parent, absl::Span<const int32_t> tokens) {
  return {parent, tokens, absl::HashOf(parent, tokens)};
}

absl::Span<const int32_t> PrefixIndex::TokensOf(BlockId block) const {
  return absl::MakeConstSpan(tokens_).subspan(static_cast<size_t>(block) * block_tokens_,
                                              block_tokens_);
}

ChainId PrefixIndex::Acquire(absl::Span<const int32_t> tokens, int64_t most_blocks,
                             BlockTable& table) {
  ChainId chain = 0;
  most_blocks = std::min(most_blocks, static_cast<int64_t>(tokens.size() / block_tokens_));
  for (int64_t i = 0; i < most_blocks; ++i) {
    const auto first = static_cast<size_t>(i) * block_tokens_;
    const auto found = known_.find(Describe(chain, tokens.subspan(first, block_tokens_)));
    if (found == known_.end()) break;
    Hold(*found);
    table.Append(*found);
    chain = entries_[*found].chain;
  }
  return chain;
}

ChainId PrefixIndex::Insert(ChainId parent, absl::Span<const int32_t> tokens, BlockTable& table,
                            size_t at) {
  const BlockId block = table.blocks()[at];
  const Contents contents = Describe(parent, tokens);
  if (const auto found = known_.find(contents); found != known_.end()) {
    if (*found != block) {
      Hold(*found);
      table.Replace(at, *found);
      pool_.Unref({&block, 1});
    }
    return entries_[*found].chain;
  }
  pool_.Ref(block);
  Entry& entry = entries_[block];
  entry.parent = parent;
  entry.chain = next_chain_++;
  entry.hash = contents.hash;
  std::copy(tokens.begin(), tokens.end(),
            tokens_.begin() + static_cast<std::ptrdiff_t>(block_tokens_) * block);
  known_.insert(block);
  return entry.chain;
}

void PrefixIndex::Release(BlockTable& table) {
  // From the last to the first: a block is of use only together with all before it.
  for (size_t i = table.blocks().size(); i-- > 0;) {
    const BlockId block = table.blocks()[i];
    if (entries_[block].chain != 0 && pool_.RefCount(block) == 2) MakeEvictable(block);
  }
  table.Clear(pool_);
}

void PrefixIndex::Evict(int64_t count) {
  for (; count > 0; --count) {
    const BlockId oldest = entries_[ring()].newer;
    Unlink(oldest);
    --num_evictable_;
    known_.erase(oldest);  // before its chain goes: the set looks at it
    entries_[oldest].chain = 0;
    pool_.Unref({&oldest, 1});
  }
}

void PrefixIndex::MakeEvictable(BlockId block) {
  Entry& end = entries_[ring()];
  entries_[block].older = end.older;
  entries_[block].newer = ring();
  entries_[end.older].newer = block;
  end.older = block;
  ++num_evictable_;
}

// One more reference, for somebody's table.
void PrefixIndex::Hold(BlockId block) {
  if (pool_.RefCount(block) == 1) {
    Unlink(block);
    --num_evictable_;
  }
  pool_.Ref(block);
}

// Takes the block out of the ring; without effect on one that is in none.
void PrefixIndex::Unlink(BlockId block) {
  Entry& entry = entries_[block];
  entries_[entry.older].newer = entry.newer;
  entries_[entry.newer].older = entry.older;
  entry.older = entry.newer = block;
}

void PrefixIndex::AppendOwned(std::vector<BlockId>* owned) const {
  owned->insert(owned->end(), known_.begin(), known_.end());
}

absl::Status PrefixIndex::CheckInvariants() const {
  std::vector<bool> evictable(entries_.size(), false);
  int length = 0;
  for (BlockId block = entries_[ring()].newer; block != ring(); block = entries_[block].newer) {
    if (evictable[block] || ++length > num_evictable_) {
      return absl::InternalError(absl::StrCat("prefix index: block ", block,
                                              " is to be evicted twice, or one of more than ",
                                              num_evictable_));
    }
    evictable[block] = true;
  }
  if (length != num_evictable_) {
    return absl::InternalError(
        absl::StrCat("prefix index: ", length, " blocks in the ring of ", num_evictable_));
  }
  for (BlockId block = 0; block < ring(); ++block) {
    const bool known = entries_[block].chain != 0;
    const bool held_here_alone = known && pool_.RefCount(block) == 1;
    if (known != known_.contains(block) || held_here_alone != evictable[block]) {
      return absl::InternalError(absl::StrCat(
          "prefix index: block ", block, " with ", pool_.RefCount(block), " references is ",
          known ? "" : "not ", "known, and ", evictable[block] ? "" : "not ", "to be evicted"));
    }
  }
  return absl::OkStatus();
}

}  // namespace plumbline
